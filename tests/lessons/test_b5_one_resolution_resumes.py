"""B5: resume warned "not approved", and resumed. Others took the client's word for it (vercel/ai#16068)."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from kit.forgery import Forger
from kit.lessons import done
from kit.product import Product
from placet_runtime.receipts import Signer, generate_key

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def forger(placet: Product, amqp_url: str) -> AsyncIterator[Forger]:
    """Somebody who has got onto the broker."""
    async with Forger.at(placet, amqp_url) as made:
        yield made


@pytest.mark.parametrize(
    "forgery",
    [
        "no receipt",
        "no JWS",
        "unsigned",
        "another key",
        "of another run",
        "of a rejection",
        "of another gate",
        "by somebody else",
        "of other content",
        "cut short",
    ],
)
async def test_a_forged_yes_has_no_effect(placet: Product, forger: Forger, forgery: str) -> None:
    """Without the approval service's signature over just this, a resolution is put aside and counted, no more."""
    run_id = await placet.start("one-gate")
    approval = await placet.paused(run_id)
    other = await placet.paused(await placet.start("one-gate"))
    by = "key:admin"
    genuine = forger.receipt(approval, "approved", by=by)
    header, payload, _ = genuine.split(".")
    receipts = {
        "no receipt": "",
        "no JWS": "approved",
        "unsigned": f"{header}.{payload}.",
        "another key": forger.receipt(approval, "approved", by=by, signer=Signer(generate_key())),
        "of another run": forger.receipt(other, "approved", by=by),
        "of a rejection": forger.receipt(approval, "rejected", by=by),
        "of another gate": forger.receipt(approval, "approved", by=by, gate="other"),
        "by somebody else": forger.receipt(approval, "approved", by="key:somebody-else"),
        "of other content": forger.receipt(approval, "approved", by=by, digest="sha256:" + "0" * 64),
        "cut short": genuine[:-10],
    }
    before = REGISTRY.get_sample_value("placet_resolutions_refused_total") or 0.0

    reason = await forger.refused(await forger.send(approval, "approved", by=by, receipt=receipts[forgery]))

    assert reason.startswith("receipt refused")
    assert REGISTRY.get_sample_value("placet_resolutions_refused_total") == before + 1
    assert await placet.status_in_executor(run_id) == "paused"
    assert done[run_id] == ["entered"]
    await placet.approve(approval)
    assert (await placet.ended(run_id))["status"] == "completed"


async def test_a_signature_over_other_content_opens_nothing(placet: Product, forger: Forger) -> None:
    """A genuine yes to something else than what the run has asked is refused, at the gate itself."""
    run_id = await placet.start("one-gate")
    approval = await placet.paused(run_id)
    swapped = {**approval, "digest": "sha256:" + "0" * 64}

    receipt = forger.receipt(swapped, "approved", by="key:admin")
    reason = await forger.refused(await forger.send(swapped, "approved", by="key:admin", receipt=receipt))

    assert "the digests differ" in reason
    assert await placet.status_in_executor(run_id) == "paused"


async def test_a_signature_over_what_nobody_asked_opens_nothing(placet: Product, forger: Forger) -> None:
    """A genuine yes to an approval that no run here has asked for is put aside."""
    unknown = {"id": str(uuid4()), "runId": "r", "gate": "approval", "digest": "sha256:0"}

    receipt = forger.receipt(unknown, "approved", by="key:admin")
    reason = await forger.refused(await forger.send(unknown, "approved", by="key:admin", receipt=receipt))

    assert reason.startswith("no run of ours has asked")


@pytest.mark.parametrize("second", ["approved", "rejected", "expired", "cancelled"])
async def test_a_second_resolution_changes_nothing(placet: Product, forger: Forger, second: str) -> None:
    """The first committed resolution is the one, even against another that is signed."""
    run_id = await placet.start("one-gate")
    approval = await placet.paused(run_id)
    await placet.reject(approval)
    run = await placet.ended(run_id)

    by = "key:admin"
    receipt = forger.receipt(approval, second, by=by)  # type: ignore[arg-type]
    event = await forger.send(approval, second, by=by, receipt=receipt)  # type: ignore[arg-type]

    if second == "rejected":
        await forger.settled()
    else:
        assert "already rejected" in await forger.refused(event)
    assert await placet.run(run_id) == run
    assert done[run_id] == ["entered"]
