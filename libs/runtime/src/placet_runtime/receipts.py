"""Receipts: resolutions signed by the approval service (Ed25519, compact JWS), verified by whoever acts on them."""

import json
from typing import Literal
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from placet_contracts.base import Model
from placet_contracts.events import Outcome

_ALGORITHM = "Ed25519"


class Receipt(Model):
    """What is signed: how an approval ended, and the digest of what was reviewed."""

    approval_id: UUID
    run_id: str
    gate: str
    outcome: Outcome
    digest: str
    resolved_by: str


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

    def sign(self, receipt: Receipt) -> str:
        return jws.serialize_compact(
            self._header, receipt.model_dump_json(by_alias=True), self._key, algorithms=[_ALGORITHM]
        )


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

    def verify(self, compact: str) -> Receipt:
        """What the receipt says.

        Raises:
            ReceiptInvalid: it is not signed by a known key, or no receipt.
        """
        try:
            token = jws.extract_compact(compact.encode())
            kid = token.headers().get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise ReceiptInvalid(f"signed with an unknown key {kid!r}")
            if not jws.validate_compact(token, key, algorithms=[_ALGORITHM]):
                raise ReceiptInvalid("the signature does not match")
            return Receipt.model_validate_json(token.payload)
        except (JoseError, ValidationError, UnicodeError) as error:
            raise ReceiptInvalid(f"not a receipt: {error.__class__.__name__}") from error


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
