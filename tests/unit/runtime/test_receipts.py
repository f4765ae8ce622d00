"""Receipts: only what the approval service has signed, and just that, opens a gate."""

import base64
import json
from uuid import UUID

import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from placet_runtime.receipts import ReceiptInvalid, Resolved, Signer, Verifier, generate_key, public_key

KEY = generate_key()
RESOLVED = Resolved(
    approval_id=UUID(int=1), run_id="run", gate="legal", outcome="approved", digest="sha256:00", resolved_by="key:ana"
)


def sign(resolution: Resolved = RESOLVED, *, key: str = KEY) -> str:
    [receipt] = Signer(key).sign([resolution])
    return receipt


def test_a_receipt_is_for_what_was_signed() -> None:
    """The resolution that was signed is accepted."""
    Verifier(public_key(KEY)).verify(sign(), RESOLVED)


@pytest.mark.parametrize(
    "other",
    [
        {"approval_id": UUID(int=2)},
        {"run_id": "other"},
        {"gate": "finance"},
        {"outcome": "rejected"},
        {"digest": "sha256:01"},
        {"resolved_by": "key:eve"},
    ],
)
def test_a_receipt_is_for_nothing_else(other: dict[str, object]) -> None:
    """Whatever differs from what was signed is refused, also when the receipt was accepted before."""
    verifier = Verifier(public_key(KEY))
    verifier.verify(sign(), RESOLVED)

    with pytest.raises(ReceiptInvalid, match="something else"):
        verifier.verify(sign(), RESOLVED.model_copy(update=other))


def test_many_resolutions_share_a_few_signatures() -> None:
    """Each of many has a receipt that stands for it, and for none that was not signed with it; most are shared."""
    many = [RESOLVED.model_copy(update={"run_id": f"run-{n}"}) for n in range(20)]
    verifier = Verifier(public_key(KEY))

    receipts = Signer(KEY).sign(many)

    for resolution, receipt in zip(many, receipts, strict=True):
        verifier.verify(receipt, resolution)
    with pytest.raises(ReceiptInvalid):
        verifier.verify(receipts[0], many[-1])
    assert len(set(receipts)) == 3
    assert Signer(KEY).sign([]) == []


def test_a_retired_key_still_verifies() -> None:
    """With a key set, receipts of the key before are accepted beside those of the present one."""
    keys = json.dumps({"keys": [json.loads(public_key(generate_key())), json.loads(public_key(KEY))]})

    Verifier(keys).verify(sign(), RESOLVED)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _forged() -> dict[str, str]:
    signed = sign()
    header, payload, signature = signed.split(".")
    rejected = RESOLVED.model_copy(update={"outcome": "rejected"})
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    secret = OctKey.import_key(public_key(KEY))
    return {
        "nothing": "",
        "no JWS": "a.b",
        "another key": sign(key=generate_key()),
        "no signature": f"{header}.{payload}.",
        "algorithm none": f"{_part({'alg': 'none', 'kid': kid})}.{payload}.",
        "the public key as an HMAC secret": jws.serialize_compact(
            {"alg": "HS256", "kid": kid}, base64.urlsafe_b64decode(payload + "=="), secret, algorithms=["HS256"]
        ),
        "no key id": f"{_part({'alg': 'Ed25519'})}.{payload}.{signature}",
        "a payload swapped in": f"{header}.{sign(rejected).split('.')[1]}.{signature}",
        "half a payload": ".".join([header, payload[:-4], signature]),
        "not ASCII": "ä.ö.ü",
    }


@pytest.mark.parametrize("kind", _forged())
def test_a_forged_receipt_is_refused(kind: str) -> None:
    """No receipt is accepted that is not signed with the key, over just this content, by the one algorithm."""
    with pytest.raises(ReceiptInvalid):
        Verifier(public_key(KEY)).verify(_forged()[kind], RESOLVED)


@pytest.mark.parametrize("text", ["", "x", "{}", '{"keys": []}', KEY, '{"kty": "oct", "k": "AAAA"}', "[]", "1"])
def test_only_public_keys_verify(text: str) -> None:
    """What is no public key of the right kind is refused at start: a private one too, which must not lie about."""
    with pytest.raises(ValueError, match="not a public Ed25519 key"):
        Verifier(text)


def test_only_a_private_key_signs() -> None:
    """The public half alone cannot sign."""
    with pytest.raises(ValueError, match="not a private Ed25519 key"):
        Signer(public_key(KEY))
