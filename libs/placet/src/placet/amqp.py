"""Starts runs by a message, where the API is not at hand. Needs ``placet[amqp]``."""

import asyncio
import random
from typing import Any
from uuid import uuid4

from pydantic_core import from_json

from placet.errors import Unreachable, Unroutable
from placet.values import plain
from placet_contracts import brokers
from placet_contracts.cloudevents import ONE, CloudEvent, encode
from placet_contracts.events import WorkflowStart
from placet_contracts.topology import producer

_TIMEOUT = 10.0  # seconds, of each operation: under an alarm the broker would let it wait for ever
_CONNECTS_WITHIN = 5.0  # to each node of a cluster


async def publish_start(
    amqp_url: str,
    workflow: str,
    input: object = None,
    *,
    version: int | None = None,
    run_id: str | None = None,
    event_id: str | None = None,
    source: str = "placet/client",
    namespace: str = "placet",
) -> CloudEvent[WorkflowStart]:
    """Publish a start; the broker has it on disk when this returns. Gives the event as it was sent.

    ``amqp_url`` may name several nodes of a cluster with commas between them: they are tried in turn, the first by
    chance.

    The same ``(source, event_id)`` or ``run_id`` again starts nothing: after an error, repeat with what you sent.
    Without a ``run_id`` the executor makes one.

    Raises:
        ModuleNotFoundError: ``placet[amqp]`` is not installed.
        ValueError: a name, id or URL that does not do, an input without JSON, or a service's own ``source``.
        Unroutable: nobody takes starts in this namespace.
        Unreachable: the broker does not confirm, at none of its nodes.
    """
    if not source or producer(source) is not None:
        raise ValueError(f"source: {source!r} is one of the services' own")
    start = WorkflowStart(workflow=workflow, version=version, run_id=run_id, input=from_json(plain(input)))
    event = CloudEvent(id=event_id or str(uuid4()), source=source, data=start)
    nodes = brokers.urls(amqp_url)
    random.shuffle(nodes)
    for others, url in zip(reversed(range(len(nodes))), nodes, strict=True):
        try:
            await _publish(url, namespace, event, _TIMEOUT if len(nodes) == 1 else _CONNECTS_WITHIN)
            break
        except Unreachable:
            if not others:
                raise
    return event


async def _publish(amqp_url: str, namespace: str, event: CloudEvent[WorkflowStart], connects_within: float) -> None:
    aio_pika = _aio_pika()
    message = aio_pika.Message(
        encode(event),
        content_type=ONE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        # Unique per attempt: the same id twice in flight can turn a return into a confirm.
        message_id=uuid4().hex,
    )
    try:
        async with (
            await aio_pika.connect(amqp_url, timeout=connects_within) as connection,
            asyncio.timeout(2 * _TIMEOUT),
        ):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(namespace)
            await exchange.publish(message, routing_key=event.type, mandatory=True, timeout=_TIMEOUT)
    except asyncio.CancelledError:
        # aio-pika also raises it when the broker goes away in the middle.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        raise Unreachable("the connection was lost while publishing") from None
    except (aio_pika.exceptions.PublishError, aio_pika.exceptions.ChannelNotFoundEntity) as error:
        raise Unroutable(namespace, str(error) or error.__class__.__name__) from error
    except (aio_pika.exceptions.AMQPError, OSError, TimeoutError) as error:
        raise Unreachable(f"the broker does not confirm: {error!r}") from error


def _aio_pika() -> Any:
    try:
        import aio_pika
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("publish_start needs aio-pika: install placet[amqp]") from error
    return aio_pika
