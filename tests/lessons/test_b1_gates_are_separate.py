"""B1: one flag for a whole job let a second gate pass in silence."""

import pytest

from kit.lessons import done
from kit.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_second_gate_is_asked_for_like_the_first(placet: Product) -> None:
    """What is approved is one gate: the run pauses at the next, and goes no further."""
    run_id = await placet.start("two-gates")

    await placet.approve(await placet.paused(run_id))
    second = await placet.paused(run_id)

    assert (second["gate"], second["status"]) == ("second", "pending")
    assert done[run_id] == ["entered", "entered", "first"]


async def test_the_unnamed_gate_is_no_flag_for_all(placet: Product) -> None:
    """A named gate that was approved does not make `ctx.approved` true."""
    run_id = await placet.start("one-flag")

    await placet.approve(await placet.paused(run_id))
    unnamed = await placet.paused(run_id)
    await placet.approve(unnamed)

    assert unnamed["gate"] == "approval"
    assert (await placet.ended(run_id))["output"] == "asked twice"


@pytest.mark.parametrize("gate", ["approval", "legal"])
async def test_asking_again_at_a_resolved_gate_is_an_error(placet: Product, gate: str) -> None:
    """It is neither passed nor asked for again: the run fails, and says what to do."""
    run_id = await placet.start("asks-again", gate)

    await placet.approve(await placet.paused(run_id))

    run = await placet.ended(run_id)
    assert (run["status"], run["error"]["type"]) == ("failed", "GateAlreadyResolved")
    assert f"ctx.approval({gate!r})" in run["error"]["message"]
    assert len(run["approvals"]) == 1
    assert done[run_id] == ["entered", "entered"]
