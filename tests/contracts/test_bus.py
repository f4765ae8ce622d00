"""One contract for both buses, with the outbox behind them: at least once, nothing lost, nothing requeued for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest

from kit.waiting import connected, eventually
from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.events import Event, RunCancel, RunChanged
from placet_contracts.topology import Service
from placet_runtime import fail, postgres, quarantine
from placet_runtime.bus import Bus
from placet_runtime.consumer import Consumer, Permanent
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Pool
from placet_runtime.rabbit import RabbitBus

STRAY = RunChanged(run_id="r", seq=1, status="ready", workflow="w", version=1, at=datetime.now(UTC))

SUBSCRIPTIONS: Mapping[Service, type[Event]] = {"approval": RunChanged, "executor": RunCancel}

pytestmark = pytest.mark.parametrize("kind", ["rabbit", "local"])


class Side:
    """A service that does nothing but emit and receive."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self.pool = pool
        self.bus = bus
        self.outbox = Outbox(pool, bus)
        self.consumer: Consumer
        self.seen: list[str] = []
        self.heard = asyncio.Condition()
        self.react: Callable[[str], None] = lambda run_id: None

    async def handle(self, events: Sequence[CloudEvent[Any]]) -> None:
        for event in events:
            self.react(event.data.run_id)
        async with self.heard:
            self.seen += [event.data.run_id for event in events]
            self.heard.notify_all()

    async def emit(self, *events: Event) -> None:
        async with self.outbox.transaction() as (_, emit):
            emit(events)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self.heard:
            await self.heard.wait_for(condition)

    async def outbox_empties(self) -> None:
        await eventually(lambda: self.pool.fetchval("SELECT NOT EXISTS (SELECT FROM outbox)"))


@pytest.fixture
async def sides(kind: str, database_url: str, amqp_url: str, namespace: str) -> AsyncIterator[dict[Service, Side]]:
    """The approval service's side and the executor's: they tell each other of runs."""
    broker = LocalBroker()
    made: dict[Service, Side] = {}
    async with AsyncExitStack() as stack:
        for service, event in SUBSCRIPTIONS.items():
            pool = await stack.enter_async_context(postgres.connect(database_url, service, size=4))
            bus: Bus = (
                LocalBus(broker, service) if kind == "local" else RabbitBus(amqp_url, service, namespace=namespace)
            )
            side = made[service] = Side(pool, bus)
            side.consumer = Consumer(bus, pool, {event: side.handle})
            await stack.enter_async_context(bus.open())
            for work in (side.outbox.relay(), side.consumer.keep_acknowledging()):
                stack.callback(asyncio.create_task(work).cancel)
            await connected(bus)
        yield made
        fail.disarm()


def cancel(run_id: str) -> RunCancel:
    return RunCancel(run_id=run_id, cancelled_by="key:ana")


async def test_what_is_committed_arrives_and_its_row_goes(sides: dict[Service, Side]) -> None:
    """An event leaves with its transaction; once its subscriber has committed it, nothing of it is left."""
    approval, executor = sides["approval"], sides["executor"]

    await approval.emit(*(cancel(f"run-{n}") for n in range(1000)))

    await executor.until(lambda: len(executor.seen) == 1000)
    assert set(executor.seen) == {f"run-{n}" for n in range(1000)}
    await approval.outbox_empties()


async def test_an_event_is_acknowledged_after_its_commit(sides: dict[Service, Side]) -> None:
    """While a subscriber handles an event, its producer still holds it: what dies in between is not lost."""
    approval, executor = sides["approval"], sides["executor"]
    held: list[int] = []
    handle = executor.handle

    async def look_and_handle(events: Sequence[CloudEvent[Any]]) -> None:
        held.append(await approval.pool.fetchval("SELECT count(*) FROM outbox"))
        await handle(events)

    executor.consumer._handlers = {RunCancel.type: look_and_handle}
    await approval.emit(cancel("held"))

    await executor.until(lambda: executor.seen == ["held"])
    assert held == [1]
    await approval.outbox_empties()


async def test_what_is_rolled_back_never_leaves(sides: dict[Service, Side]) -> None:
    """An event whose transaction fails is not sent."""
    approval, executor = sides["approval"], sides["executor"]
    fail.arm("outbox.before_commit", _crash)
    with pytest.raises(fail.Crash):
        await approval.emit(cancel("lost"))
    fail.disarm()

    await approval.emit(cancel("kept"))

    await executor.until(lambda: bool(executor.seen))
    assert executor.seen == ["kept"]


async def test_death_between_commit_and_publish_loses_nothing(sides: dict[Service, Side]) -> None:
    """What was committed by a process that died before it could send is sent by the sweep."""
    approval, executor = sides["approval"], sides["executor"]
    fail.arm("outbox.after_commit", _crash)
    with pytest.raises(fail.Crash):
        await approval.emit(cancel("orphan"))
    fail.disarm()

    await approval.pool.execute("UPDATE outbox SET next_send_at = now()")
    await approval.outbox.sweep()

    await executor.until(lambda: executor.seen == ["orphan"])
    await approval.outbox_empties()


async def test_a_failing_receiver_gets_it_again(sides: dict[Service, Side]) -> None:
    """An event whose handler raises comes again, with back-off, until it is committed."""
    approval, executor = sides["approval"], sides["executor"]
    tries = 0

    def fail_twice(run_id: str) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RuntimeError("not yet")

    executor.react = fail_twice

    await approval.emit(cancel("stubborn"))

    await executor.until(lambda: executor.seen == ["stubborn"])
    assert tries == 3


async def test_a_bad_event_does_not_hold_up_the_others(sides: dict[Service, Side]) -> None:
    """An event that is refused for good goes into quarantine with its reason; its batch goes through."""
    approval, executor = sides["approval"], sides["executor"]

    def refuse(run_id: str) -> None:
        if run_id == "bad":
            raise Permanent("we do not like it")

    executor.react = refuse

    await approval.emit(cancel("one"), cancel("bad"), cancel("two"))

    await executor.until(lambda: {"one", "two"} <= set(executor.seen))
    await approval.outbox_empties()
    [kept] = await quarantine.newest(executor.pool, 10)
    assert (kept.type, kept.reason) == ("run.cancel.v1", "we do not like it")
    assert b'"bad"' in (await quarantine.body(executor.pool, kept.id) or b"")


async def test_a_refused_event_can_be_taken_in_again(sides: dict[Service, Side]) -> None:
    """What lies in quarantine is handled once its cause is mended and an operator says so; until then it stays."""
    approval, executor = sides["approval"], sides["executor"]

    def refuse(run_id: str) -> None:
        raise Permanent("not today")

    executor.react = refuse
    await approval.emit(cancel("patient"))
    await eventually(lambda: quarantine.newest(executor.pool, 1))
    [kept] = await quarantine.newest(executor.pool, 10)

    assert await quarantine.retry(executor.pool, [kept.id])
    await executor.consumer.retry()
    assert [item.id for item in await quarantine.newest(executor.pool, 10)] == [kept.id]

    executor.react = lambda run_id: None
    await executor.consumer.retry()
    assert executor.seen == []  # it was refused again, and waits for another word

    assert await quarantine.retry(executor.pool, [kept.id])
    await executor.consumer.retry()
    assert executor.seen == ["patient"]
    assert await quarantine.newest(executor.pool, 10) == []


async def test_a_repeated_refusal_is_kept_once(sides: dict[Service, Side]) -> None:
    """Bytes that come again and again, as what nobody can acknowledge does, do not pile up."""
    approval, executor = sides["approval"], sides["executor"]

    for _ in range(3):
        await approval.bus.publish("run.cancel.v1", b"not json")
    await approval.emit(cancel("last"))

    await executor.until(lambda: executor.seen == ["last"])
    assert len(await quarantine.newest(executor.pool, 10)) == 1


async def test_an_event_that_always_fails_is_kept_to_look_at(sides: dict[Service, Side]) -> None:
    """A handler's bug does not loop for ever over one event: after some tries it is put aside, whole."""
    approval, executor = sides["approval"], sides["executor"]

    def stumble(run_id: str) -> None:
        if run_id == "poison":
            raise KeyError("a bug")

    executor.react = stumble

    await approval.emit(cancel("poison"))

    await approval.outbox_empties()
    [kept] = await quarantine.newest(executor.pool, 10)
    assert kept.reason == "KeyError: 'a bug'"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff not json", "not JSON"),
        (b'{"specversion": "1.0", "id": "1", "source": "x", "type": "no.such.v1", "data": {}}', "unknown event type"),
        (
            encode(CloudEvent("1", "x", RunCancel(run_id="r", cancelled_by="x"))).replace(b"cancelledBy", b"by"),
            "cancelledBy",
        ),
        (encode(CloudEvent("1", "x", STRAY)), "came with the routing key"),
    ],
)
async def test_what_cannot_be_read_is_kept_with_its_bytes(sides: dict[Service, Side], body: bytes, reason: str) -> None:
    """Bytes that are no event of ours are quarantined, and what comes after them is received."""
    approval, executor = sides["approval"], sides["executor"]

    await approval.bus.publish("run.cancel.v1", body)
    await approval.emit(cancel("fine"))

    await executor.until(lambda: executor.seen == ["fine"])
    [kept] = await quarantine.newest(executor.pool, 10)
    assert reason in kept.reason
    assert reason != "not JSON" or await quarantine.body(executor.pool, kept.id) == body


async def test_a_forgetful_broker_is_told_again(
    kind: str, sides: dict[Service, Side], amqp_url: str, namespace: str
) -> None:
    """Whatever the broker loses, the outbox still has: it is sent again when it turns out that it was lost."""
    approval, executor = sides["approval"], sides["executor"]
    await executor.bus.stop_receiving()
    await approval.emit(cancel("forgotten"))
    await approval.outbox.flush()
    if kind == "rabbit":
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            await channel.queue_delete(f"{namespace}.executor.run.cancel.v1")

    fresh: Bus = (
        LocalBus(LocalBroker(), "executor") if kind == "local" else RabbitBus(amqp_url, "executor", namespace=namespace)
    )
    if kind == "local":
        fresh = LocalBus(approval.bus._broker, "executor")  # type: ignore[attr-defined]
    again = Side(executor.pool, fresh)
    consumer = Consumer(fresh, executor.pool, {RunCancel: again.handle})
    async with fresh.open():
        await connected(fresh)

        async def swept() -> bool:
            await approval.outbox.send_all_again()
            await approval.outbox.sweep()
            await asyncio.sleep(0.2)
            return "forgotten" in again.seen

        # More than once, as services sweep: RabbitMQ 3.10 confirms what reaches a queue that was deleted and made
        # anew a moment before, and loses it all the same.
        await eventually(swept)
        await consumer.acknowledge()
        await approval.outbox_empties()


def _crash() -> None:
    raise fail.Crash
