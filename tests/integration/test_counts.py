"""What an approval cycle costs, in counts: they move with the code, and not with the machine.

`docs/performance.md` says what they are made of. A cycle that becomes dearer fails here.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kit.costs import counted
from kit.product import Product, product
from placet import Context, Interrupt, Placet

app = Placet()

LOAD = 64


async def look_up(key: str) -> dict[str, str]:
    """A step."""
    return {"key": key}


@app.workflow("cycle")
async def cycle(ctx: Context, input: str) -> Any:
    """One step, one gate."""
    found = await ctx.step("look-up", look_up, input)
    if not ctx.approved:
        return Interrupt.approval(message="Go on?")
    return found


async def go_through(placet: Product) -> None:
    """One cycle, as the benchmark drives it."""
    paused = await placet.http.post("/v1/runs?wait=20&until=paused", json={"workflow": "cycle", "input": "x"})
    [approval] = paused.json()["approvals"]
    await placet.approve(approval["id"])
    assert (await placet.ended(paused.json()["id"]))["status"] == "completed"


@pytest.fixture(params=["rabbit", "local"])
async def placet(request: pytest.FixtureRequest, postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment through which a cycle has gone before."""
    async with product(request.param, app, postgres_url, amqp_url) as made:
        await go_through(made)
        yield made


async def test_a_cycle_alone_costs_just_this(placet: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine commits and four messages; each step forward is a statement or two, and a row in the outbox.

    The cheapest of some: while the worker looks for what is due, as it does twice a second, a run that comes waits.
    """
    cycles = []
    for _ in range(5):
        with counted(monkeypatch) as costs:
            await go_through(placet)
        cycles.append(costs)
    costs = min(cycles, key=lambda each: each.commits)

    assert costs.writes == {
        "INSERT runs": 4,  # in both services; then the approval service's view as it pauses, and as it ends
        "INSERT steps": 1,
        "INSERT run_steps": 1,  # as the pause tells of it
        "UPDATE runs": 2,  # as it pauses, and as it ends
        "INSERT gates": 1,
        "INSERT approvals, INSERT audit": 1,
        "UPDATE approvals, INSERT audit": 2,  # the decision; and at the run's end, what would still be pending
        "UPDATE gates, UPDATE runs": 1,  # resolved, and claimed
        "INSERT outbox": 4,
    }
    assert costs.commits == 9
    assert costs.messages == dict.fromkeys(
        ("workflow.start.v1", "approval.requested.v1", "approval.resolved.v1", "run.changed.v1"), 1
    )


async def test_cycles_share_their_costs(placet: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 64 cycles in flight, each costs a fraction of what it costs alone: batches form by themselves."""
    with counted(monkeypatch) as costs:
        for _ in range(3):
            await asyncio.gather(*(go_through(placet) for _ in range(LOAD)))

    cycles = 3 * LOAD  # where nothing splits them up, all 64 go as one, and each costs a sixty-fourth
    assert costs.commits / cycles < 0.5, costs
    assert costs.statements.total() / cycles < 1.5, costs
    assert costs.messages.total() / cycles < 0.3, costs
    assert costs.acks / cycles < 0.2, costs
