"""Receipts: only what the approval service has signed, and just that, opens a gate."""

import base64
import json
from uuid import UUID

import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from placet_runtime.receipts import Receipt, ReceiptInvalid, Signer, Verifier, generate_key, public_key

KEY = generate_key()
RECEIPT = Receipt(
    approval_id=UUID(int=1), run_id="run", gate="legal", outcome="approved", digest="sha256:00", resolved_by="key:ana"
)


def test_what_was_signed_is_what_is_read() -> None:
    """A receipt says after its journey what it said before."""
    assert Verifier(public_key(KEY)).verify(Signer(KEY).sign(RECEIPT)) == RECEIPT


def test_a_retired_key_still_verifies() -> None:
    """With a key set, receipts of the key before are accepted beside those of the present one."""
    keys = json.dumps({"keys": [json.loads(public_key(generate_key())), json.loads(public_key(KEY))]})

    assert Verifier(keys).verify(Signer(KEY).sign(RECEIPT)) == RECEIPT


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _forged() -> dict[str, str]:
    signed = Signer(KEY).sign(RECEIPT)
    header, payload, signature = signed.split(".")
    rejected = Receipt(**{**RECEIPT.model_dump(), "outcome": "rejected"})
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    secret = OctKey.import_key(public_key(KEY))
    return {
        "nothing": "",
        "no JWS": "a.b",
        "another key": Signer(generate_key()).sign(RECEIPT),
        "no signature": f"{header}.{payload}.",
        "algorithm none": f"{_part({'alg': 'none', 'kid': kid})}.{payload}.",
        "the public key as an HMAC secret": jws.serialize_compact(
            {"alg": "HS256", "kid": kid}, base64.urlsafe_b64decode(payload + "=="), secret, algorithms=["HS256"]
        ),
        "no key id": f"{_part({'alg': 'Ed25519'})}.{payload}.{signature}",
        "a payload swapped in": f"{header}.{Signer(KEY).sign(rejected).split('.')[1]}.{signature}",
        "half a payload": ".".join([header, payload[:-4], signature]),
        "not ASCII": "ä.ö.ü",
    }


@pytest.mark.parametrize("kind", _forged())
def test_a_forged_receipt_is_refused(kind: str) -> None:
    """No receipt is accepted that is not signed with the key, over just this content, by the one algorithm."""
    with pytest.raises(ReceiptInvalid):
        Verifier(public_key(KEY)).verify(_forged()[kind])


@pytest.mark.parametrize("text", ["", "x", "{}", '{"keys": []}', KEY, '{"kty": "oct", "k": "AAAA"}', "[]", "1"])
def test_only_public_keys_verify(text: str) -> None:
    """What is no public key of the right kind is refused at start: a private one too, which must not lie about."""
    with pytest.raises(ValueError, match="not a public Ed25519 key"):
        Verifier(text)


def test_only_a_private_key_signs() -> None:
    """The public half alone cannot sign."""
    with pytest.raises(ValueError, match="not a private Ed25519 key"):
        Signer(public_key(KEY))
