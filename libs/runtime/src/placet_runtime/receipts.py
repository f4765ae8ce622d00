"""Receipts: resolutions signed by the approval service, verified by whoever acts on them.

A receipt is a compact JWS (Ed25519) with the payload ``{"receipts": [...]}``: the digests of a few resolutions that
were committed together, each SHA-256 of the resolution's canonical JSON, in base64url. It stands for each of them.
"""

import base64
import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from placet_contracts.base import Model
from placet_contracts.digest import canonical
from placet_contracts.events import Outcome

_ALGORITHM = "Ed25519"
_TOGETHER = 8  # resolutions that one signature stands for
_REMEMBERED = 64  # signatures that were found good


class Resolved(Model):
    """What is signed: how an approval ended, and the digest of what was reviewed."""

    approval_id: UUID
    run_id: str
    gate: str
    outcome: Outcome
    digest: str
    resolved_by: str

    @property
    def fingerprint(self) -> str:
        """What stands for it in a receipt."""
        hashed = hashlib.sha256(canonical(self.model_dump(mode="json", by_alias=True))).digest()
        return base64.urlsafe_b64encode(hashed).decode().rstrip("=")


class _Payload(Model):
    receipts: frozenset[str]


class ReceiptInvalid(ValueError):
    """Raised for a receipt that no known key has signed, or that says something else."""


class Signer:
    """Holds the private key. Only the approval service has one."""

    def __init__(self, private_key: str) -> None:
        """Take a private JWK, as `generate_key` makes it.

        Raises:
            ValueError: it is none.
        """
        self._key = _key(private_key, "private")
        self._header = {"alg": _ALGORITHM, "kid": self._key.thumbprint()}

    def sign(self, resolutions: Sequence[Resolved]) -> list[str]:
        """The receipt of each; a few of them share one."""
        receipts: list[str] = []
        for start in range(0, len(resolutions), _TOGETHER):
            together = [resolution.fingerprint for resolution in resolutions[start : start + _TOGETHER]]
            receipts += [self._seal(together)] * len(together)
        return receipts

    def statement(self, type: str, payload: bytes) -> str:
        """A compact JWS over something else than resolutions; ``type`` stands in its header, and keeps kinds apart."""
        return jws.serialize_compact(self._header | {"typ": type}, payload, self._key, algorithms=[_ALGORITHM])

    def _seal(self, fingerprints: Iterable[str]) -> str:
        payload = json.dumps({"receipts": list(fingerprints)}, separators=(",", ":"))
        return jws.serialize_compact(self._header, payload, self._key, algorithms=[_ALGORITHM])


class Verifier:
    """Holds the public keys of the approval service: the present one, and those that it had before."""

    def __init__(self, public_keys: str) -> None:
        """Take a public JWK, or a JWK set.

        Raises:
            ValueError: it is neither.
        """
        try:
            value = json.loads(public_keys)
            texts = [json.dumps(key) for key in value["keys"]] if "keys" in value else [public_keys]
        except (ValueError, TypeError):
            texts = [public_keys]
        self._keys = {key.thumbprint(): key for key in (_key(text, "public") for text in texts)}
        if not self._keys:
            raise ValueError("not a public Ed25519 key in JWK format: an empty set")
        self._good: OrderedDict[str, frozenset[str]] = OrderedDict()

    def verify(self, receipt: str, resolution: Resolved) -> None:
        """See that a receipt is for just this resolution.

        Raises:
            ReceiptInvalid: it is not signed by a known key, or for something else.
        """
        signed = self._good.get(receipt)
        if signed is None:
            signed = self._good[receipt] = self._signed(receipt)
            if len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)
        if resolution.fingerprint not in signed:
            raise ReceiptInvalid("it was signed for something else")

    def statement(self, type: str, statement: str) -> bytes:
        """The payload of a JWS of this type.

        Raises:
            ReceiptInvalid: it is not signed by a known key, or is of another type.
        """
        found, payload = self._payload(statement)
        if found != type:
            raise ReceiptInvalid(f"not a {type}: {found!r}")
        return payload

    def _signed(self, receipt: str) -> frozenset[str]:
        type, payload = self._payload(receipt)
        if type is not None:
            raise ReceiptInvalid(f"not a receipt: {type!r}")
        try:
            return _Payload.model_validate_json(payload).receipts
        except ValidationError as error:
            raise ReceiptInvalid(f"not a receipt: {error.__class__.__name__}") from error

    def _payload(self, text: str) -> tuple[object, bytes]:
        """The type, if there is one, and the payload of what a known key has signed."""
        try:
            token = jws.extract_compact(text.encode())
            headers = token.headers()
            kid = headers.get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise ReceiptInvalid(f"signed with an unknown key {kid!r}")
            if not jws.validate_compact(token, key, algorithms=[_ALGORITHM]):
                raise ReceiptInvalid("the signature does not match")
            return headers.get("typ"), token.payload
        except (JoseError, UnicodeError) as error:
            raise ReceiptInvalid(f"not a receipt: {error.__class__.__name__}") from error


def unverified(statement: str) -> bytes:
    """The payload of a JWS, whoever has signed it.

    Raises:
        ReceiptInvalid: it is none.
    """
    try:
        return jws.extract_compact(statement.encode()).payload
    except (JoseError, UnicodeError) as error:
        raise ReceiptInvalid(f"not a signed statement: {error.__class__.__name__}") from error


def generate_key() -> str:
    """A new private key, as a JWK in JSON."""
    return _dump(OKPKey.generate_key("Ed25519"), private=True)


def public_key(private_key: str) -> str:
    """The public half of a private key, as a JWK in JSON."""
    return _dump(_key(private_key, "private"), private=False)


def _key(text: str, kind: Literal["private", "public"]) -> OKPKey:
    try:
        key = OKPKey.import_key(json.loads(text))
    except (ValueError, TypeError, JoseError) as error:
        raise ValueError(f"not a {kind} Ed25519 key in JWK format") from error
    if key.curve_name != "Ed25519" or key.is_private != (kind == "private"):
        raise ValueError(f"not a {kind} Ed25519 key in JWK format")
    return key


def _dump(key: OKPKey, *, private: bool) -> str:
    return json.dumps(key.as_dict(private=private), separators=(",", ":"))
