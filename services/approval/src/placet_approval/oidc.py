"""Signing in at an OpenID Connect provider: the authorization code flow with PKCE, and an ID token that is verified."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc6749.parameters import (
    parse_authorization_code_response,
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet

from placet_approval.identity import Refused

log = structlog.get_logger()

# Signatures by a private key that the provider alone has. Neither `none`, nor what is keyed with a shared secret.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]

_DISCOVERY = "/.well-known/openid-configuration"
_FRESH = 3600.0  # seconds, after which the provider's document and keys are read again
_LEEWAY = 60  # seconds that clocks may be apart
_LARGEST = 1024 * 1024  # bytes of an answer
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProviderUnavailable(Exception):
    """Raised where the provider does not answer, or with something else than it should."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows us as."""

    issuer: str
    id: str
    secret: str | None
    redirect_uri: str
    scope: str
    groups_claim: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who has left for the provider: what must fit when they come back. Kept in their browser."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))


@dataclass(frozen=True, slots=True)
class Account:
    """Who the provider says that it is."""

    issuer: str
    subject: str
    email: str | None
    verified: bool
    name: str | None
    groups: frozenset[str] | None  # None: it says nothing of groups


class Provider:
    """One OpenID Connect provider. What it publishes is read when it is needed, and kept for an hour."""

    def __init__(self, http: httpx2.AsyncClient, client: Client) -> None:
        self._http = http
        self._client = client
        self._reading = asyncio.Lock()
        self._metadata: dict[str, Any] = {}
        self._metadata_at = -_FRESH
        self._keys = KeySet([])
        self._keys_at = -_FRESH

    async def leave(self, attempt: Attempt) -> str:
        """The address at the provider to send somebody to.

        Raises:
            ProviderUnavailable: it does not answer.
        """
        metadata = await self._discover()
        uri: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._client.id,
            "code",
            redirect_uri=self._client.redirect_uri,
            scope=self._client.scope,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return uri

    async def come_back(self, attempt: Attempt, query: Mapping[str, str]) -> Account:
        """Who came back, with what the provider put into the query of our address.

        Raises:
            Refused: the provider refused, or what came back does not belong to this attempt, or does not verify.
            ProviderUnavailable: it does not answer.
        """
        if "error" in query:
            log.info("sign_in.refused_by_provider", error=query["error"][:100])
            raise Refused("the sign-in provider did not let you in")
        try:
            code = parse_authorization_code_response(f"?{urlencode(query)}", attempt.state)["code"]
        except OAuth2Error as error:
            raise Refused("this sign-in was begun in another browser, or is over: begin again") from error
        metadata = await self._discover()
        if query.get("iss", metadata["issuer"]) != metadata["issuer"]:
            raise Refused("this answer is another provider's")
        answer = await self._exchange(metadata, code, attempt)
        claims = await self._verify(metadata, answer, attempt.nonce)
        if "email" not in claims and "userinfo_endpoint" in metadata:
            claims = await self._userinfo(metadata, answer, claims["sub"]) | claims
        return self._account(metadata["issuer"], claims)

    async def _exchange(self, metadata: dict[str, Any], code: str, attempt: Attempt) -> dict[str, Any]:
        """The code for tokens."""
        endpoint = metadata["token_endpoint"]
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._client.redirect_uri, code_verifier=attempt.verifier
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        auth = ClientAuth(self._client.id, self._client.secret, self._method(metadata))
        uri, headers, body = auth.prepare("POST", endpoint, headers, body)
        answer = await self._request("POST", uri, headers=headers, content=body)
        if answer.status_code in (400, 401):
            log.warning("sign_in.code_refused", status=answer.status_code, error=_error(answer))
            raise Refused("the sign-in provider did not take its own code: begin again")
        return self._object(answer)

    def _method(self, metadata: dict[str, Any]) -> str:
        if self._client.secret is None:
            return "none"
        known = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"

    async def _verify(self, metadata: dict[str, Any], answer: dict[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of an ID token that the provider signed, for us, for this attempt, and that has not expired."""
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise Refused("the sign-in provider sent no ID token")
        try:
            try:
                token = jwt.decode(text, await self._key_set(metadata), algorithms=ALGORITHMS)
            except (InvalidKeyIdError, ValueError):  # its keys may have changed
                token = jwt.decode(text, await self._key_set(metadata, anew=True), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": metadata["issuer"]},
                    "aud": {"essential": True, "value": self._client.id},
                },
                params={"nonce": nonce, "client_id": self._client.id, "access_token": answer.get("access_token")},
            )
            claims.validate(leeway=_LEEWAY)
        except (JoseError, ValueError) as error:
            log.warning("sign_in.token_refused", reason=str(error)[:200] or type(error).__name__)
            raise Refused("the sign-in provider's answer does not verify") from error
        return dict(claims)

    async def _userinfo(self, metadata: dict[str, Any], answer: dict[str, Any], subject: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {answer.get('access_token')}", "Accept": "application/json"}
        claims = self._object(await self._request("GET", metadata["userinfo_endpoint"], headers=headers))
        if claims.get("sub") != subject:
            raise Refused("the sign-in provider's answer does not verify")
        return claims

    def _account(self, issuer: str, claims: dict[str, Any]) -> Account:
        email, name, groups = claims.get("email"), claims.get("name"), claims.get(self._client.groups_claim)
        return Account(
            issuer=issuer,
            subject=str(claims["sub"]),
            email=email if isinstance(email, str) else None,
            verified=claims.get("email_verified") in (True, "true"),
            name=name if isinstance(name, str) else None,
            groups=frozenset(map(str, groups)) if isinstance(groups, list) else None,
        )

    async def _discover(self) -> dict[str, Any]:
        async with self._reading:
            if monotonic() - self._metadata_at >= _FRESH:
                issuer = self._client.issuer
                found = self._object(await self._request("GET", issuer.rstrip("/") + _DISCOVERY))
                if str(found.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
                    raise ProviderUnavailable("its document names another issuer")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    self._require_safe(str(found.get(name)))
                self._metadata, self._metadata_at = found, monotonic()
            return self._metadata

    async def _key_set(self, metadata: dict[str, Any], *, anew: bool = False) -> KeySet:
        async with self._reading:
            if anew or monotonic() - self._keys_at >= _FRESH:
                found = self._object(await self._request("GET", metadata["jwks_uri"]))
                self._keys, self._keys_at = _signing_keys(found.get("keys")), monotonic()
            return self._keys

    async def _request(self, method: str, url: str, **more: Any) -> httpx2.Response:
        self._require_safe(url)
        try:
            answer = await self._http.request(method, url, **more)
        except (httpx2.HTTPError, OSError) as error:
            log.warning("sign_in.provider_unavailable", reason=str(error)[:200] or type(error).__name__)
            raise ProviderUnavailable(str(error)) from error
        if answer.status_code >= 500 or 300 <= answer.status_code < 400:
            log.warning("sign_in.provider_unavailable", reason=f"{urlsplit(url).path} answers {answer.status_code}")
            raise ProviderUnavailable(f"it answers {answer.status_code}")
        return answer

    def _object(self, answer: httpx2.Response) -> dict[str, Any]:
        try:
            found = json.loads(answer.content) if len(answer.content) <= _LARGEST else None
        except ValueError:
            found = None
        if answer.status_code != 200 or not isinstance(found, dict):
            log.warning("sign_in.provider_unavailable", reason=f"{answer.url.path} answers {answer.status_code}")
            raise ProviderUnavailable("it answers with something else than it should")
        return found

    def _require_safe(self, url: str) -> None:
        """Codes and secrets go over TLS, or do not leave this machine."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ProviderUnavailable(f"it names an address without TLS: {url[:100]}")


def _signing_keys(keys: object) -> KeySet:
    """Public keys that are for signatures; what is not known is left out, and so are shared secrets."""
    found = []
    for key in keys if isinstance(keys, list) else []:
        if isinstance(key, dict) and key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC", "OKP"):
            try:
                found.append(JWKRegistry.import_key(key))
            except (JoseError, ValueError, KeyError):
                continue
    return KeySet(found)


def _error(answer: httpx2.Response) -> str:
    try:
        return str(json.loads(answer.content).get("error"))[:100]
    except (ValueError, AttributeError):
        return "unknown"
