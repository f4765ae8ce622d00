"""A broker, whoever runs it: whether it answers, and what a test leaves there."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from time import monotonic, sleep

import aio_pika

from placet_contracts import topology

_STARTS_WITHIN = 90.0


def answers(url: str, runs: Callable[[], bool]) -> bool:
    """Wait until a broker accepts connections; not when it has stopped running, or takes too long."""

    async def connects() -> bool:
        try:
            connection = await aio_pika.connect(url, timeout=5)
        except Exception:
            return False
        await connection.close()
        return True

    logger = logging.getLogger("aiormq")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # that it does not answer yet is no news
    try:
        deadline = monotonic() + _STARTS_WITHIN
        while monotonic() < deadline and runs():
            if asyncio.run(connects()):
                return True
            sleep(0.2)
        return False
    finally:
        logger.setLevel(level)


async def delete_namespace(amqp_url: str, namespace: str, names: Iterable[str] = (), *, exchanges: bool = True) -> None:
    """Delete the queues of a deployment with all that is in them, its exchanges, and queues that a test made itself."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        for queue in (*topology.queues(namespace), *names):
            await channel.queue_delete(queue)
        for exchange in topology.exchanges(namespace) if exchanges else ():
            await channel.exchange_delete(exchange)
