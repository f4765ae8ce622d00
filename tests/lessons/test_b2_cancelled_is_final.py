"""B2: approving a cancelled job ran it. And cancelling left requests that waited for nobody (airflow, argo)."""

import asyncio

import pytest

from kit.lessons import done, gates
from kit.product import Product, problem
from kit.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_late_decision_is_told_the_true_outcome(placet: Product, decision: str) -> None:
    """The approval of a cancelled run is cancelled: 409, and the handler is not entered."""
    run_id = await placet.start("one-gate")
    approval = await placet.paused(run_id)
    await placet.cancel(run_id)

    late = await placet.decide(approval, decision)

    assert problem(late, 409, "already-resolved")["outcome"] == "cancelled"
    assert (await placet.ended(run_id))["status"] == "cancelled"
    assert done[run_id] == ["entered"]


async def test_nothing_is_left_to_decide(placet: Product) -> None:
    """At once after the cancellation's answer no list shows a pending approval of that run."""
    run_id = await placet.start("one-gate")
    await placet.paused(run_id)

    await placet.cancel(run_id)

    listed = await placet.http.get("/v1/approvals", params={"runId": run_id})
    assert [approval["status"] for approval in listed.json()["items"]] == ["cancelled"]


async def test_what_is_asked_for_after_the_cancellation_is_no_question(placet: Product) -> None:
    """A run cancelled on its way to its second gate asks nobody: what opens there, opens as cancelled."""
    run_id = await placet.start("two-gates", "hold")
    await placet.approve(await placet.paused(run_id))
    await eventually(lambda: asyncio.sleep(0, "first" in done[run_id]))

    cancelling = asyncio.create_task(placet.cancel(run_id))
    gates[run_id].set()
    await cancelling

    run = await placet.ended(run_id)
    assert run["status"] == "cancelled"
    assert "pending" not in [approval["status"] for approval in run["approvals"]]
    assert "second" not in done[run_id]


async def test_a_decision_and_a_cancellation_do_not_both_win(placet: Product) -> None:
    """Sent at the same time, one comes first: an approval is approved or cancelled, and both sides are told which."""
    run_ids = [await placet.start("one-gate") for _ in range(10)]
    approvals = [await placet.paused(run_id) for run_id in run_ids]

    answers = await asyncio.gather(
        *(asyncio.gather(placet.decide(a, "approve"), placet.cancel(a["runId"])) for a in approvals)
    )

    for approval, (decided, cancelled) in zip(approvals, answers, strict=True):
        run = await placet.ended(approval["runId"])
        found = await placet.approval(approval["id"])
        if decided.status_code == 200:
            assert found["status"] == "approved"
        else:
            assert (decided.json()["outcome"], found["status"]) == ("cancelled", "cancelled")
            assert (run["status"], done[run["id"]]) == ("cancelled", ["entered"])
        assert cancelled.status_code in (202, 409)
        assert run["status"] in ("completed", "cancelled")
