"""The servers that the tests are given are real ones."""

import aio_pika
import asyncpg
from pamqp.commands import Basic

from kit.rabbitmq import delete_namespace


async def test_postgres_keeps_what_it_commits(database_url: str) -> None:
    """An empty database, on a server with its durability turned on, that lets us do anything."""
    conn = await asyncpg.connect(database_url)
    try:
        assert await conn.fetchval("SELECT 1") == 1
        assert await conn.fetchval("SHOW fsync") == "on"
        assert await conn.fetchval("SHOW synchronous_commit") == "on"
        assert await conn.fetchval("SELECT usesuper FROM pg_user WHERE usename = current_user")
        assert await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await conn.close()


async def test_the_broker_confirms_into_quorum_queues(amqp_url: str, namespace: str) -> None:
    """A publish is confirmed, and what it carried can be had."""
    name = f"{namespace}.kit"
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        confirmed = await channel.default_exchange.publish(aio_pika.Message(b"placet"), name, mandatory=True)
        received = await queue.get(timeout=10)
        await received.ack()

    assert isinstance(confirmed, Basic.Ack)
    assert received.body == b"placet"
    await delete_namespace(amqp_url, namespace, [name])
