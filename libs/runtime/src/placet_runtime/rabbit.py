"""The bus on RabbitMQ: quorum queues, publisher confirms, acks after COMMIT, and a connection that comes back.

A queue for each subscription, so that a flood of one kind of event does not delay another. Each service configures
only its own queues. Names: see `placet_contracts.topology`.

Two connections: a broker that is short of memory reads nothing more from one that publishes, acknowledgements included,
and would never get rid of what it holds.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import structlog
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)
from aiormq.exceptions import AMQPException
from pydantic import TypeAdapter

from placet_contracts import brokers
from placet_contracts.cloudevents import BATCH
from placet_contracts.events import WorkflowStart
from placet_contracts.topology import SERVICES, Service, ack_queue, dead_queue, queue
from placet_runtime.bus import Acks, BusUnavailable, Receive
from placet_runtime.loops import end
from placet_runtime.pump import Pump

log = structlog.get_logger()

_HEARTBEAT = 10  # seconds; the default of 60 takes three minutes to notice a frozen peer
_CONNECTS_WITHIN = 5.0  # to each node of a cluster
_TIMEOUT = 10.0  # of each operation: under a memory or disk alarm the broker would let it wait for ever
_PREFETCH = 256
_PREFETCH_STARTS = 64  # anybody publishes them, and they may be as large as the broker lets them
_DELIVERY_LIMIT = 20
_QUORUM = {"x-queue-type": "quorum"}

_ACKS = TypeAdapter(Acks)
_ERRORS = (AMQPError, AMQPException, ChannelInvalidStateError, OSError, TimeoutError)


class RabbitBus:
    """One service's side of the broker. See `placet_runtime.bus.Bus`.

    ``url`` may name several nodes with commas between them: they are tried in turn, in an order by chance.
    """

    def __init__(self, url: str, service: Service, *, namespace: str = "placet") -> None:
        self._nodes = brokers.urls(url)
        random.shuffle(self._nodes)
        self._service: Service = service
        self._namespace = namespace
        self._receivers: dict[str, Receive] = {}
        self._receive_dead: Receive | None = None
        self._receive_acks: Callable[[Sequence[Acks]], Awaitable[None]] | None = None
        self._react_to_amnesia: Callable[[], Awaitable[None]] | None = None
        self._pumps: list[Pump[AbstractIncomingMessage]] = []
        self._receiving = True
        self._connected = asyncio.Event()
        self._events: AbstractExchange | None = None
        self._acks: AbstractExchange | None = None

    @property
    def service(self) -> Service:
        return self._service

    @property
    def ready(self) -> bool:
        return self._connected.is_set()

    def subscribe(self, type: str, receive: Receive) -> None:
        self._receivers[type] = receive

    def subscribe_dead(self, receive: Receive) -> None:
        self._receive_dead = receive

    def subscribe_acks(self, receive: Callable[[Sequence[Acks]], Awaitable[None]]) -> None:
        self._receive_acks = receive

    def on_amnesia(self, react: Callable[[], Awaitable[None]]) -> None:
        self._react_to_amnesia = react

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._stay_connected(), name=f"rabbit {self._service}")
        try:
            yield
        finally:
            await self.stop_receiving()
            await end(task)

    async def stop_receiving(self) -> None:
        self._receiving = False
        await self._stop_pumps()

    async def publish(self, type: str, body: bytes) -> None:
        exchange = await self._exchange()
        message = Message(
            body,
            content_type=BATCH,
            delivery_mode=DeliveryMode.PERSISTENT,
            # Unique per attempt: the same id twice in flight can turn a return into a confirm.
            message_id=uuid4().hex,
        )
        try:
            with _unavailable():
                await exchange.publish(message, routing_key=type, mandatory=True, timeout=_TIMEOUT)
        except asyncio.CancelledError:
            # aio-pika also raises it when the broker goes away in the middle.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise BusUnavailable("the connection was lost while publishing") from None

    async def acknowledge(self, producer: Service, rows: Sequence[UUID]) -> None:
        if self._acks is None:
            return
        body = _ACKS.dump_json(Acks(self._service, rows))
        message = Message(body, content_type="application/json", delivery_mode=DeliveryMode.NOT_PERSISTENT)
        try:
            with _unavailable():
                await self._acks.publish(message, routing_key=producer, mandatory=False, timeout=_TIMEOUT)
        except BusUnavailable as error:
            log.info("bus.ack_lost", producer=producer, rows=len(rows), error=str(error))

    async def _exchange(self) -> AbstractExchange:
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._connected.wait()
        except TimeoutError:
            raise BusUnavailable("not connected to the broker") from None
        if self._events is None:
            raise BusUnavailable("not connected to the broker")
        return self._events

    async def _stay_connected(self) -> None:
        while True:
            try:
                async with await self._connect("receives") as receiving, await self._connect("publishes") as publishing:
                    await self._session(receiving, publishing)
            except _ERRORS as error:
                log.warning("bus.disconnected", error=f"{error.__class__.__name__}: {error}")
            except Exception:  # whatever it is, a bus that gives up would leave its service deaf
                log.exception("bus.failed")
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                log.warning("bus.disconnected", error="cancelled by the connection")
            finally:
                self._connected.clear()
                self._events = self._acks = None
            self._nodes.append(self._nodes.pop(0))
            await self._stop_pumps()
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311

    async def _connect(self, does: str) -> AbstractConnection:
        return await aio_pika.connect(
            self._nodes[0],
            timeout=_TIMEOUT if len(self._nodes) == 1 else _CONNECTS_WITHIN,
            heartbeat=_HEARTBEAT,
            client_properties={"connection_name": f"placet {self._service} {does}"},
        )

    async def _session(self, receiving: AbstractConnection, publishing: AbstractConnection) -> None:
        """Declare, subscribe, and wait for the end of one of the connections."""
        lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def closed(channel: AbstractChannel | None, error: BaseException | None) -> None:
            if not lost.done():
                lost.set_result(error)

        def unsubscribed(_: object) -> None:  # the channel stays open, and would be deaf for ever
            closed(None, ConnectionError("the broker has ended a subscription: its queue is gone"))

        amnesia = await self._declare(receiving)
        telling = await publishing.channel(publisher_confirms=True, on_return_raises=True)
        self._events = await telling.get_exchange(self._namespace, ensure=False)
        acking = await publishing.channel(publisher_confirms=False)
        self._acks = await acking.get_exchange(f"{self._namespace}.acks", ensure=False)
        channels = [telling, acking]
        if self._receiving:
            channels += await self._consume(receiving, unsubscribed)
        for channel in channels:
            channel.close_callbacks.add(closed)
        self._connected.set()
        log.info("bus.connected", amnesia=amnesia)
        if amnesia and self._react_to_amnesia is not None:
            await self._react_to_amnesia()
        if (error := await lost) is not None:
            raise ConnectionError(str(error))

    async def _declare(self, connection: AbstractConnection) -> bool:
        """Declare the exchanges and this service's queues; whether the broker had forgotten them (or never knew)."""
        namespace = self._namespace
        amnesia = not await self._exists(connection, ack_queue(namespace, self._service))
        if not amnesia:
            await self._replace_classic(connection, ack_queue(namespace, self._service))
        async with connection.channel() as channel:
            events = await channel.declare_exchange(namespace, ExchangeType.TOPIC, durable=True, timeout=_TIMEOUT)
            acks = await channel.declare_exchange(f"{namespace}.acks", durable=True, timeout=_TIMEOUT)
            dead = await channel.declare_exchange(f"{namespace}.dead", durable=True, timeout=_TIMEOUT)
            buried = await self._queue(channel, dead_queue(namespace, self._service), _QUORUM)
            await buried.bind(dead, self._service, timeout=_TIMEOUT)
            for type in self._receivers:
                subscription = await self._queue(
                    channel,
                    queue(namespace, self._service, type),
                    {
                        **_QUORUM,
                        "x-delivery-limit": _DELIVERY_LIMIT,
                        "x-dead-letter-exchange": f"{namespace}.dead",
                        "x-dead-letter-routing-key": self._service,
                    },
                )
                await subscription.bind(events, type, timeout=_TIMEOUT)
            # A classic queue would be away with the node that has it, and nobody could declare it elsewhere.
            returned = await self._queue(channel, ack_queue(namespace, self._service), _QUORUM)
            await returned.bind(acks, self._service, timeout=_TIMEOUT)
        return amnesia

    async def _queue(
        self, channel: AbstractChannel, name: str, arguments: dict[str, Any]
    ) -> aio_pika.abc.AbstractQueue:
        try:
            return await channel.declare_queue(name, durable=True, arguments=arguments, timeout=_TIMEOUT)
        except ChannelPreconditionFailed as error:
            log.error("bus.queue_mismatch", queue=name, error=str(error))  # noqa: TRY400
            raise

    async def _exists(self, connection: AbstractConnection, name: str) -> bool:
        try:
            async with connection.channel() as channel:
                await channel.declare_queue(name, passive=True, timeout=_TIMEOUT)
        except ChannelNotFoundEntity:
            return False
        return True

    async def _replace_classic(self, connection: AbstractConnection, name: str) -> None:
        """Delete a queue of before that is no quorum queue. Rows whose acks it has are sent again."""
        try:
            async with connection.channel() as channel:
                await self._queue(channel, name, _QUORUM)
        except ChannelPreconditionFailed:
            async with connection.channel() as channel:
                await channel.queue_delete(name, timeout=_TIMEOUT)

    async def _consume(
        self, connection: AbstractConnection, unsubscribed: Callable[[object], None]
    ) -> list[AbstractChannel]:
        namespace = self._namespace
        subscriptions = [
            (
                queue(namespace, self._service, type),
                receive,
                _PREFETCH_STARTS if type == WorkflowStart.type else _PREFETCH,
            )
            for type, receive in self._receivers.items()
        ]
        if self._receive_dead is not None:
            subscriptions.append((dead_queue(namespace, self._service), self._receive_dead, _PREFETCH_STARTS))
        if self._receive_acks is not None:
            subscriptions.append((ack_queue(namespace, self._service), self._receive_acknowledgements, _PREFETCH))
        channels = []
        for name, receive, prefetch in subscriptions:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=prefetch, timeout=_TIMEOUT)
            (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(unsubscribed)
            pump: Pump[AbstractIncomingMessage] = Pump(name, receive, body=_body, settle=_ack, limit=prefetch)
            self._pumps.append(pump)
            source = await channel.get_queue(name, ensure=False)
            await source.consume(_putter(pump), timeout=_TIMEOUT)
            channels.append(channel)
        return channels

    async def _stop_pumps(self) -> None:
        pumps, self._pumps = self._pumps, []
        await asyncio.gather(*(pump.stop() for pump in pumps))

    async def _receive_acknowledgements(self, bodies: Sequence[bytes]) -> None:
        acks = []
        for body in bodies:
            try:
                ack = _ACKS.validate_json(body)
            except ValueError as error:
                log.warning("bus.ack_unreadable", error=str(error))
                continue
            if ack.subscriber in SERVICES:
                acks.append(ack)
        if acks and self._receive_acks is not None:
            await self._receive_acks(acks)


def _body(message: AbstractIncomingMessage) -> bytes:
    return message.body


def _putter(pump: Pump[AbstractIncomingMessage]) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
    async def put(message: AbstractIncomingMessage) -> None:
        pump.put(message)

    return put


async def _ack(messages: Sequence[AbstractIncomingMessage]) -> None:
    """All of them with one frame: a channel's messages are settled in the order in which they came."""
    try:
        with _unavailable():
            await messages[-1].ack(multiple=True)
    except BusUnavailable as error:  # the channel has gone: they come again, and change nothing
        log.info("bus.settle_failed", messages=len(messages), error=str(error))


@contextmanager
def _unavailable() -> Iterator[None]:
    """Raises `BusUnavailable` for what the driver raises when its connection fails.

    Where it has no reason to give, that is a bare ``Exception``.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, _ERRORS) or type(error) is Exception:
            raise BusUnavailable(f"{error.__class__.__name__}: {error}") from error
        raise
