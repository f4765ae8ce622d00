"""What the real broker does to us: lost connections, deleted queues, messages that nobody settles."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest

from kit.proxy import Proxy, Weather, proxy
from kit.waiting import connected, eventually
from placet_contracts.topology import ack_queue, queue
from placet_runtime import postgres, quarantine
from placet_runtime.bus import BusUnavailable
from placet_runtime.consumer import Consumer
from placet_runtime.rabbit import RabbitBus

TYPE = "run.cancel.v1"


class Receiver:
    """Remembers what it got."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def receive(self, bodies: Sequence[bytes]) -> None:
        self.bodies += bodies

    def has(self, body: bytes) -> bool:
        return body in self.bodies


@asynccontextmanager
async def executor_bus(url: str, namespace: str, receiver: Receiver) -> AsyncIterator[RabbitBus]:
    """An executor's side, connected and subscribed to cancellations."""
    bus = RabbitBus(url, "executor", namespace=namespace)
    bus.subscribe(TYPE, receiver.receive)
    async with bus.open():
        await connected(bus)
        yield bus


@pytest.fixture
async def network(amqp_url: str) -> AsyncIterator[Proxy]:
    """A way to the broker that can be cut."""
    parts = urlsplit(amqp_url)
    async with proxy(parts.hostname or "localhost", parts.port or 5672) as made:
        yield made


def through(network: Proxy, amqp_url: str) -> str:
    parts = urlsplit(amqp_url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{network.port}"))


async def test_a_lost_connection_comes_back(network: Proxy, amqp_url: str, namespace: str) -> None:
    """After the network was cut, the bus connects again by itself, and publishes and receives as before."""
    receiver = Receiver()
    async with executor_bus(through(network, amqp_url), namespace, receiver) as bus:
        await bus.publish(TYPE, b"before")
        await eventually(lambda: asyncio.sleep(0, receiver.has(b"before")))

        network.cut()
        await eventually(lambda: asyncio.sleep(0, not bus.ready))

        await bus.publish(TYPE, b"after")
        await eventually(lambda: asyncio.sleep(0, receiver.has(b"after")))


async def test_publishing_into_a_lost_connection_is_an_unknown_outcome(
    network: Proxy, amqp_url: str, namespace: str
) -> None:
    """Whatever moment the network is cut at, each publish either is confirmed or says that it is unknown."""
    receiver = Receiver()
    async with executor_bus(through(network, amqp_url), namespace, receiver) as bus:
        publishing = [asyncio.create_task(bus.publish(TYPE, b"%d" % n)) for n in range(200)]
        await asyncio.wait(publishing, return_when=asyncio.FIRST_COMPLETED)
        network.cut()
        publishing += [asyncio.create_task(bus.publish(TYPE, b"%d" % n)) for n in range(200, 400)]

        outcomes = await asyncio.gather(*publishing, return_exceptions=True)

        assert all(outcome is None or isinstance(outcome, BusUnavailable) for outcome in outcomes)
        confirmed = [b"%d" % n for n, outcome in enumerate(outcomes) if outcome is None]
        await eventually(lambda: asyncio.sleep(0, set(confirmed) <= set(receiver.bodies)))


async def test_a_deleted_queue_is_declared_again(amqp_url: str, namespace: str) -> None:
    """When an operator deletes a queue under its consumer, the consumer notices, and subscribes to a new one."""
    receiver = Receiver()
    async with executor_bus(amqp_url, namespace, receiver) as bus:
        await delete_queue(amqp_url, queue(namespace, "executor", TYPE))

        async def arrives() -> bool:
            try:
                await bus.publish(TYPE, b"after")
            except BusUnavailable:
                return False
            return receiver.has(b"after")

        await eventually(arrives)


async def test_a_message_that_no_queue_takes_is_not_taken_for_sent(amqp_url: str, namespace: str) -> None:
    """Publishing something that the broker cannot route fails, so that the outbox keeps it."""
    async with executor_bus(amqp_url, namespace, Receiver()) as bus:
        with pytest.raises(BusUnavailable):
            await bus.publish("run.changed.v1", b"nobody subscribes to this here")


async def test_a_channel_that_ends_without_a_reason_is_an_unknown_outcome(
    amqp_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver fails what waits for such a channel with a bare exception; the outbox keeps what was to be sent."""

    async def ends(*_: object, **__: object) -> None:
        raise Exception  # noqa: TRY002 - as the driver does

    async with executor_bus(amqp_url, namespace, Receiver()) as bus:
        monkeypatch.setattr("aiormq.channel.Channel.basic_publish", ends)
        with pytest.raises(BusUnavailable):
            await bus.publish(TYPE, b"perhaps")


async def test_amnesia_is_noticed(amqp_url: str, namespace: str) -> None:
    """A service that finds its queues gone when it connects says so: what the broker was given is to be sent again."""
    noticed: list[str] = []

    async def react() -> None:
        noticed.append("amnesia")

    for _ in range(2):
        bus = RabbitBus(amqp_url, "executor", namespace=namespace)
        bus.on_amnesia(react)
        async with bus.open():
            await connected(bus)
    assert noticed == ["amnesia"]  # the first time, when there never was one; not the second

    await delete_queue(amqp_url, f"{namespace}.executor.acks")
    bus = RabbitBus(amqp_url, "executor", namespace=namespace)
    bus.on_amnesia(react)
    async with bus.open():
        await connected(bus)
    assert noticed == ["amnesia", "amnesia"]


async def test_a_message_that_nobody_survives_is_buried(database_url: str, amqp_url: str, namespace: str) -> None:
    """A message that was delivered too often without being settled ends in the quarantine, with its bytes."""
    async with executor_bus(amqp_url, namespace, Receiver()):
        pass  # the queues are declared
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(
            aio_pika.Message(b"deadly", delivery_mode=aio_pika.DeliveryMode.PERSISTENT),
            routing_key=queue(namespace, "executor", TYPE),
        )
        subscription = await channel.get_queue(queue(namespace, "executor", TYPE), ensure=False)
        while (message := await subscription.get(fail=False, timeout=5)) is not None:
            await message.reject(requeue=True)

    async with postgres.connect(database_url, "executor", size=2) as pool:
        bus = RabbitBus(amqp_url, "executor", namespace=namespace)
        Consumer(bus, pool, {})
        async with bus.open():
            await eventually(lambda: quarantine.newest(pool, 1))
        [kept] = await quarantine.newest(pool, 10)
        assert (kept.type, await quarantine.body(pool, kept.id)) == ("dead", b"deadly")


async def delete_queue(amqp_url: str, name: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(name)


async def test_another_node_of_the_cluster_takes_over(network: Proxy, amqp_url: str, namespace: str) -> None:
    """Of several addresses one that answers is used; when that one goes down, the next one is."""
    receiver = Receiver()
    down, own = "amqp://guest:guest@127.0.0.1:1/", through(network, amqp_url)
    path = urlsplit(amqp_url).path
    async with (
        proxy(urlsplit(amqp_url).hostname or "localhost", urlsplit(amqp_url).port or 5672) as other,
        executor_bus(",".join((down + path.lstrip("/"), own, through(other, amqp_url))), namespace, receiver) as bus,
    ):
        used = network if network.passed else other
        await used.become(Weather(cut_after=0))
        used.cut()
        await eventually(lambda: asyncio.sleep(0, not bus.ready))
        await connected(bus)
        passed = (other if used is network else network).passed

        await bus.publish(TYPE, b"by another way")
        await eventually(lambda: asyncio.sleep(0, receiver.has(b"by another way")))

        assert passed


async def test_acks_have_a_queue_that_outlives_a_node(amqp_url: str, namespace: str) -> None:
    """It is a quorum queue; a classic one of before, which goes away with its node, is replaced."""
    name = ack_queue(namespace, "executor")
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        await (await connection.channel()).declare_queue(name, durable=True)
        async with executor_bus(amqp_url, namespace, Receiver()):
            await (await connection.channel()).declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})


async def test_a_bus_ends_at_any_moment_of_its_connecting(amqp_url: str, namespace: str) -> None:
    """A service that is told to stop while it connects to the broker stops: aio-pika swallows some cancellations."""
    for moment in range(30):
        bus = RabbitBus(amqp_url, "executor", namespace=namespace)
        bus.subscribe(TYPE, Receiver().receive)

        async with asyncio.timeout(20), bus.open():
            await asyncio.sleep(moment * 0.004)  # none of these moments gives a signal
