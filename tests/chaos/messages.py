"""What tests do to the broker past the proxies: publish again what was ever sent, look at queues, delete them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from uuid import uuid4

import aio_pika
from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from chaos.stack import NAMESPACE, Stack
from placet_contracts import brokers, cloudevents
from placet_contracts.topology import SERVICES, dead_queue, queues

_TIMEOUT = 10.0  # seconds
_GONE = (AMQPError, OSError, TimeoutError)


@asynccontextmanager
async def _channel(stack: Stack) -> AsyncIterator[AbstractChannel]:
    connection = await _connect(stack.servers.amqp_url)
    async with connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


async def _connect(amqp_url: str) -> AbstractConnection:
    """To the first node that answers."""
    *urls, last = brokers.urls(amqp_url)
    for url in urls:
        with suppress(*_GONE):
            return await aio_pika.connect(url, timeout=_TIMEOUT / 2)
    return await aio_pika.connect(last, timeout=_TIMEOUT)


async def replay(stack: Stack, random: Random, *, at_most: int | None = None) -> int:
    """Publish messages that were sent before, twice each and in any order; how many that was. All, if not bounded."""
    rows = await stack.fetch("SELECT n FROM audit.messages")
    chosen = [row["n"] for row in rows]
    if at_most is not None and len(chosen) > at_most:
        chosen = random.sample(chosen, at_most)
    found = await stack.fetch("SELECT type, events FROM audit.messages WHERE n = ANY ($1::bigint[])", chosen)
    again = [(row["type"], cloudevents.batch([row["events"].encode()])) for row in found] * 2
    random.shuffle(again)
    sent = 0
    try:
        async with _channel(stack) as channel:
            exchange = await channel.get_exchange(NAMESPACE, ensure=False)
            for start in range(0, len(again), 100):
                published = [
                    exchange.publish(_message(body), routing_key=type, timeout=_TIMEOUT)
                    for type, body in again[start : start + 100]
                ]
                results = await asyncio.gather(*published, return_exceptions=True)
                sent += sum(not isinstance(result, BaseException) for result in results)
    except _GONE:  # another fault was there
        pass
    return sent


async def can_publish(stack: Stack, *, within: float) -> bool:
    """Whether the broker confirms a message within seconds."""
    try:
        async with asyncio.timeout(within):
            async with _channel(stack) as channel:
                own = await channel.declare_queue(f"probe.{uuid4().hex}", exclusive=True)
                await channel.default_exchange.publish(Message(b"x"), routing_key=own.name)
    except _GONE:
        return False
    except asyncio.CancelledError:  # aio-pika raises it as well, when the broker goes away in the middle
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return False
    return True


async def delete_queue(stack: Stack, name: str) -> int | None:
    """Delete a queue; how many messages were in it, or ``None`` if it was not there."""
    try:
        async with _channel(stack) as channel:
            deleted = await channel.queue_delete(name, timeout=_TIMEOUT)
            return int(deleted.message_count or 0)
    except _GONE:
        return None


async def depths(stack: Stack) -> dict[str, int]:
    """How many messages wait in each of the deployment's queues; those that are not there are left out."""
    found = {}
    for name in queues(NAMESPACE):
        async with _channel(stack) as channel:
            try:
                declared = await channel.declare_queue(name, passive=True, timeout=_TIMEOUT)
            except ChannelNotFoundEntity:
                continue
            found[name] = int(declared.declaration_result.message_count or 0)
    return found


def dead(depth: dict[str, int]) -> int:
    """How many of them are in dead-letter queues."""
    return sum(depth.get(dead_queue(NAMESPACE, service), 0) for service in SERVICES)


def _message(body: bytes) -> Message:
    return Message(
        body,
        content_type=cloudevents.BATCH,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=uuid4().hex,  # the same twice in flight can turn a return into a confirm
    )
