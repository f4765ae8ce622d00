"""An OpenID Connect provider on a port of this machine, that can be told to misbehave."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from kit.http import _Server

CLIENT_ID = "placet"
CLIENT_SECRET = "provider-secret"
ANA: dict[str, Any] = {"sub": "17", "email": "Ana@Example.com", "email_verified": True, "name": "Ana Lopez"}


@dataclass
class Identities:
    """The provider: who signs in next, and how its answers are to be."""

    issuer: str
    claims: dict[str, Any] = field(default_factory=lambda: dict(ANA))
    change: dict[str, Any] = field(default_factory=dict)  # of the ID token's claims; None takes one away
    encode: Callable[["Identities", dict[str, Any]], str] | None = None  # instead of a good signature
    down: bool = False
    denies: bool = False
    userinfo: dict[str, Any] | None = None
    keys_read: int = 0
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}, auto_kid=False))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def rotate(self) -> None:
        """Sign with another key from now on, and publish that one alone."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}, auto_kid=False)

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **self.claims}
        claims = {name: value for name, value in (claims | self.change).items() if value is not None}
        if self.encode is not None:
            return self.encode(self, claims)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid or ""}, claims, self.key)

    async def discovery(self, request: Request) -> Response:
        if self.down:
            return PlainTextResponse("down", 503)
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return JSONResponse(document)

    async def authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        if self.denies:
            answer = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = query
            answer = {"code": code, "state": query["state"], "iss": self.issuer}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}")

    async def token(self, request: Request) -> Response:
        if self.down:
            return PlainTextResponse("down", 503)
        form = dict(parse_qsl((await request.body()).decode()))
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or request.headers.get("authorization") != f"Basic {basic}"
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
            or form.get("grant_type") != "authorization_code"
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        tokens = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
        return JSONResponse(tokens)

    async def keys(self, request: Request) -> Response:
        self.keys_read += 1
        odd = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}  # what must never count
        return JSONResponse({"keys": [odd, {"kty": "new"}, self.key.as_dict(private=False, use="sig")]})

    async def user(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer opaque"
        return JSONResponse(self.userinfo or {"sub": self.claims["sub"]})


def unsigned(_: Identities, claims: dict[str, Any]) -> str:
    """A token with the algorithm `none`."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def confused(provider: Identities, claims: dict[str, Any]) -> str:
    """A token keyed with the provider's public key, as if it were a shared secret."""
    text = f"{_part({'alg': 'HS256', 'kid': provider.key.kid})}.{_part(claims)}"
    return f"{text}.{_base64(hmac.digest(provider.key.as_pem(private=False), text.encode(), 'sha256'))}"


def shared(_: Identities, claims: dict[str, Any]) -> str:
    """A token keyed with a shared secret that the provider publishes."""
    text = f"{_part({'alg': 'HS256', 'kid': 'shared'})}.{_part(claims)}"
    return f"{text}.{_base64(hmac.digest(b'secret', text.encode(), 'sha256'))}"


def stranger(provider: Identities, claims: dict[str, Any]) -> str:
    """A token that somebody else has signed, under the provider's key id."""
    return jwt.encode({"alg": "RS256", "kid": provider.key.kid or ""}, claims, RSAKey.generate_key(2048))


def _part(value: object) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@asynccontextmanager
async def identity_provider() -> AsyncIterator[Identities]:
    """A provider on a free port of 127.0.0.1."""
    listening = socket.create_server(("127.0.0.1", 0))
    provider = Identities(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.discovery),
            Route("/authorize", provider.authorize),
            Route("/token", provider.token, methods=["POST"]),
            Route("/keys", provider.keys),
            Route("/userinfo", provider.user),
        ]
    )
    server = _Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
        listening.close()
