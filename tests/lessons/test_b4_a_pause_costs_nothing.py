"""B4: waiting for an approval used attempts up, and failed the workflow. And a paused run held its slot (kestra)."""

import pytest

from kit.lessons import done
from kit.product import Product, another_executor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_pauses_use_up_no_attempt(placet: Product) -> None:
    """With one retry, and that one used, five pauses leave the second attempt the second."""
    run_id = await placet.start("patient")

    for _ in range(5):
        await placet.approve(await placet.paused(run_id))

    run = await placet.ended(run_id)
    assert (run["status"], run["attempt"], run["output"]) == ("completed", 2, [2, 2, 2, 2, 2])
    assert len(done[run_id]) == 7


async def test_a_pause_is_no_part_of_a_timeout(placet: Product) -> None:
    """A pause that is longer than a pass may take fails nothing."""
    run_id = await placet.start("patient")
    approval = await placet.paused(run_id)

    waited = await placet.http.get(f"/v1/approvals/{approval['id']}?wait=1.2")

    assert waited.json()["status"] == "pending"
    await placet.approve(approval)
    assert (await placet.paused(run_id))["gate"] == "gate-1"


async def test_a_pause_holds_no_slot_and_no_lease(placet: Product) -> None:
    """Where two runs at a time are executed, ten wait for decisions, and the eleventh completes."""
    await placet.running.stop("executor")
    try:
        async with another_executor(placet.running, concurrency=2):
            waiting = [await placet.start("one-gate") for _ in range(10)]
            for run_id in waiting:
                await placet.paused(run_id)
            held = "SELECT FROM runs WHERE id = ANY ($1::text[]) AND (lease_until IS NOT NULL OR worker IS NOT NULL)"
            assert await placet.running.query("executor", held, waiting) == []
            passing = await placet.start("rounds", 0)
            assert (await placet.ended(passing))["status"] == "completed"
    finally:
        await placet.running.start("executor")
