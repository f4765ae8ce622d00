"""The broker is short of memory, and takes nothing from those who publish until that is over."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from kit import local
from kit.nodes import RabbitNode
from kit.product import Product, problem, product
from kit.waiting import eventually
from placet import Context, Interrupt, Placet

pytestmark = pytest.mark.slow

app = Placet()


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    return input if ctx.approved else Interrupt.approval(message="May I?")


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitNode]:
    """A broker whose memory is the test's."""
    with local.broker() as made:
        yield made


@asynccontextmanager
async def alarm(broker: RabbitNode) -> AsyncIterator[None]:
    """No memory is left, as long as the context lasts."""
    await asyncio.to_thread(broker.control, "set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        await asyncio.to_thread(broker.control, "set_vm_memory_high_watermark", "0.4")


async def messages(broker: RabbitNode, queue: str) -> int:
    """How many a queue holds, those included that somebody has in hand."""
    listed = await asyncio.to_thread(broker.control, "list_queues", "--formatter", "json", "name", "messages")
    return next(int(row["messages"]) for row in json.loads(listed) if row["name"] == queue)


async def test_starts_and_decisions_are_durable_meanwhile(postgres_url: str, broker: RabbitNode) -> None:
    """The API takes them as ever; what they lead to happens by itself once the alarm is over."""
    async with product("rabbit", app, postgres_url, broker.url) as placet:
        approval = await placet.paused(await placet.start("asks", 1, runId="asked"))
        async with alarm(broker):
            for n in range(20):
                await placet.start("asks", n, runId=f"started-{n}")
            await placet.approve(approval)
            assert (await placet.http.get("/readyz")).status_code == 200
            assert await placet.running.query("executor", "SELECT id FROM runs WHERE id <> 'asked'") == []
            assert (await placet.run("started-0"))["status"] == "ready"

        await ended(placet, "asked")
        for n in range(20):
            assert (await placet.paused(f"started-{n}"))["status"] == "pending"


async def test_what_is_queued_is_taken_off_the_broker_meanwhile(postgres_url: str, broker: RabbitNode) -> None:
    """Consumers go on, though they publish as well: so the broker gets its memory back."""
    async with product("rabbit", app, postgres_url, broker.url) as placet:
        await placet.running.stop("executor")
        queue = f"{placet.running.namespace}.executor.workflow.start.v1"
        await publish(broker, placet.running.namespace, 300)

        async def holds(count: int) -> bool:
            return await messages(broker, queue) == count

        await eventually(lambda: holds(300))
        async with alarm(broker):
            await placet.running.start("executor")
            await eventually(lambda: holds(0))
            [row] = await placet.running.query("executor", "SELECT count(*) FROM runs WHERE status = 'paused'")
            assert row["count"] == 300

        assert await asyncio.gather(*(appears(placet, f"queued-{n}") for n in range(300)))


async def test_a_message_of_sixteen_megabytes_is_put_aside(postgres_url: str, broker: RabbitNode) -> None:
    """Over AMQP with a reason that names the limit, over REST with a 413; what comes after goes through."""
    async with product("rabbit", app, postgres_url, broker.url) as placet:
        big = "x" * (16 * 1024 * 1024)
        await publish(broker, placet.running.namespace, 3, big)
        await publish(broker, placet.running.namespace, 1)
        await appears(placet, "queued-0")

        kept = await placet.running.query("executor", "SELECT reason, length(body) AS size FROM quarantine")
        assert [row["reason"] for row in kept] == ["larger than 4194304 bytes"] * 3
        assert all(row["size"] > len(big) for row in kept)
        answer = await placet.http.post("/v1/runs", json={"workflow": "asks", "input": big})
        assert "at most 2097152 bytes" in problem(answer, 413, "too-large")["detail"]


async def publish(broker: RabbitNode, namespace: str, count: int, input: Any = 1) -> None:
    """Starts, as anybody would publish them."""
    async with await aio_pika.connect(broker.url) as connection:
        exchange = await (await connection.channel()).get_exchange(namespace)
        for n in range(count):
            event = {
                "specversion": "1.0",
                "id": f"{len(str(input))}-{n}",
                "source": "shop",
                "type": "workflow.start.v1",
                "data": {"workflow": "asks", "runId": f"queued-{n}", "input": input},
            }
            body = aio_pika.Message(json.dumps(event).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(body, routing_key="workflow.start.v1", mandatory=True)


async def appears(placet: Product, run_id: str) -> bool:
    """A run is known, and waits for a decision."""

    async def known() -> bool:
        return (await placet.http.get(f"/v1/runs/{run_id}")).status_code == 200

    await eventually(known)
    return bool(await placet.paused(run_id))


async def ended(placet: Product, run_id: str) -> None:
    assert (await placet.ended(run_id))["status"] == "completed"
