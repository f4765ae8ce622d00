"""B3: a wake-up that came while the handler still ran was dropped, and the job hung for good.

Also: the decision beat the waiter (inngest#1433, trigger.dev PR 2034); resolved interrupts fired again
(langgraph#6626); an approved call ran again a turn later (agent-framework#6851).
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
import pytest_asyncio

from kit.forgery import Forger
from kit.lessons import done, gates
from kit.product import Product
from kit.waiting import eventually
from placet import publish_start

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def forger(placet: Product, amqp_url: str) -> AsyncIterator[Forger]:
    """Repeats true resolutions."""
    async with Forger.at(placet, amqp_url) as made:
        yield made


async def test_a_decision_may_come_before_anybody_has_seen_the_pause(placet: Product) -> None:
    """Decided in the moment in which its approval opens, a run goes on: thirty of thirty."""
    run_ids = [await placet.start("one-gate", n) for n in range(30)]
    decided: set[str] = set()

    async def decide_what_is_there() -> bool:
        found = await placet.http.get("/v1/approvals?status=pending&limit=200")
        ids = [item["id"] for item in found.json()["items"] if item["runId"] in run_ids]
        await asyncio.gather(*(placet.approve(id) for id in ids))
        decided.update(ids)
        return len(decided) == 30

    await eventually(decide_what_is_there)

    assert [(await placet.ended(run_id))["output"] for run_id in run_ids] == list(range(30))


async def test_a_decision_may_come_before_the_news_of_its_run(fragile: Product, amqp_url: str) -> None:
    """The approval service hears what a run asks before it hears of the run; decided then, the run goes on."""
    name = f"{fragile.running.namespace}.approval.run.changed.v1"
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(name)
        await queue.unbind(fragile.running.namespace, "run.changed.v1")
        await publish_start(amqp_url, "one-gate", "x", run_id="heard-late", namespace=fragile.running.namespace)

        async def asked() -> Any:
            return (await fragile.http.get("/v1/approvals", params={"runId": "heard-late"})).json()["items"]

        await eventually(asked)
        [approval] = await asked()
        assert (await fragile.run("heard-late"))["status"] == "paused"
        await fragile.approve(approval)
        await eventually(lambda: asyncio.sleep(0, "effect" in done["heard-late"]))
        await queue.bind(fragile.running.namespace, "run.changed.v1")

    await fragile.running.query("executor", "UPDATE outbox SET next_send_at = now()")
    assert (await fragile.ended("heard-late"))["output"] == "x"


async def test_a_resolution_that_is_repeated_at_every_turn_counts_once(placet: Product, forger: Forger) -> None:
    """Before the next pass, while it runs, at the next gate and after the end: no turn is skipped or taken twice."""
    run_id = await placet.start("two-gates", "hold")
    first = await placet.paused(run_id)

    await asyncio.gather(placet.approve(first), *(forger.repeat(first, "approved", by="key:admin") for _ in range(5)))
    await eventually(lambda: asyncio.sleep(0, "first" in done[run_id]))
    await forger.repeat(first, "approved", by="key:admin")
    gates[run_id].set()
    second = await placet.paused(run_id)
    await forger.repeat(first, "approved", by="key:admin")
    await forger.settled()
    assert (await placet.approval(second["id"]))["status"] == "pending"
    await placet.approve(second)
    run = await placet.ended(run_id)
    await forger.repeat(first, "approved", by="key:admin")
    await forger.repeat(second, "approved", by="key:admin")
    await forger.settled()

    assert (run["status"], run["output"]) == ("completed", "both")
    assert done[run_id] == ["entered", "entered", "first", "entered", "first", "second"]
    assert await placet.run(run_id) == run


@pytest.mark.parametrize("seed", range(3))
async def test_no_order_of_events_loses_or_doubles_a_turn(placet: Product, forger: Forger, seed: int) -> None:
    """While runs go through two gates, every resolution so far is sent again and again, shuffled."""
    chance = random.Random(seed)
    over = asyncio.Event()
    told: list[dict[str, Any]] = []

    async def echo() -> None:
        while not over.is_set():
            for approval in chance.sample(told, len(told)):
                await forger.repeat(approval, "approved", by="key:admin")
            await asyncio.sleep(0.01)

    async def through(run_id: str) -> dict[str, Any]:
        for _ in range(2):
            approval = await placet.paused(run_id)
            await placet.approve(approval)
            told.append(approval)
        return await placet.ended(run_id)

    echoing = asyncio.create_task(echo())
    run_ids = [await placet.start("two-gates") for _ in range(8)]
    runs = await asyncio.gather(*(through(run_id) for run_id in run_ids))
    over.set()
    await echoing

    assert [run["output"] for run in runs] == ["both"] * 8
    for run_id in run_ids:
        assert done[run_id] == ["entered", "entered", "first", "entered", "first", "second"]


async def test_rounds_in_a_loop_do_each_piece_of_work_once(placet: Product) -> None:
    """Three rounds with a gate each: every earlier step has run once (langgraph#7780)."""
    run_id = await placet.start("rounds", 3)

    for _ in range(3):
        await placet.approve(await placet.paused(run_id))

    assert (await placet.ended(run_id))["output"] == [0, 1, 4]
    assert done[run_id] == ["round 0", "round 1", "round 2"]
