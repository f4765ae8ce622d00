"""Several Postgres servers behind one setting: the one that takes writes is found, and left when it does so no more."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from kit.local import folder
from kit.nodes import PostgresNode, free_ports
from kit.proxy import Weather, proxy
from placet_runtime import hosts, migrations, postgres
from placet_runtime.listener import listen

REFUSES = "127.0.0.1:1"


def among(dsn: str, *others: str, at: str | None = None) -> str:
    """The address with other hosts before its own, which may be reached by another way."""
    parts = urlsplit(dsn)
    user, _, own = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}@{','.join([*others, at or own])}"))


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A host that takes connections and says nothing, as one that was frozen."""
    [port] = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        yield f"127.0.0.1:{port}"


@pytest.fixture
async def read_only(database_url: str) -> AsyncIterator[str]:
    """A role with which this server takes no writes, as a standby."""
    name = f"reader_{uuid4().hex[:8]}"
    conn = await asyncpg.connect(database_url)
    await conn.execute(f"CREATE ROLE {name} SUPERUSER LOGIN; ALTER ROLE {name} SET default_transaction_read_only = on")
    parts = urlsplit(database_url)
    yield urlunsplit(parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}"))
    await conn.execute(f"DROP ROLE {name}")
    await conn.close()


async def test_every_way_to_postgres_passes_a_host_that_is_down(empty_database_url: str) -> None:
    """Migrations, pool and listener use the second host while the first one refuses."""
    dsn = among(empty_database_url, REFUSES)

    assert await migrations.apply(dsn, "executor")
    assert await migrations.pending(dsn, "executor") == []
    async with postgres.connect(dsn, "executor", size=2) as pool:
        assert await pool.fetchval("SELECT count(*) FROM runs") == 0
        heard: asyncio.Queue[str] = asyncio.Queue()
        listening = asyncio.create_task(listen(dsn, "executor", "hint", heard.put_nowait))
        assert await heard.get() == ""
        await pool.execute("SELECT pg_notify('hint', 'x')")
        assert await heard.get() == "x"
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_host_that_says_nothing_does_not_take_the_time_of_the_others(database_url: str) -> None:
    """Each host has its own time to answer in; once another has, it is asked first."""
    async with silent() as frozen:
        chosen = hosts.Hosts(among(database_url, frozen))

        await (await chosen.connect()).close()
        began = monotonic()
        await (await chosen.connect()).close()

    assert monotonic() - began < 2


async def test_a_pool_goes_over_to_the_next_host(database_url: str) -> None:
    """When its host goes down, a pool's next statements are answered by the other one."""
    address = urlsplit(database_url)
    async with proxy(address.hostname or "127.0.0.1", address.port or 5432) as first:
        dsn = among(database_url, f"127.0.0.1:{first.port}")
        async with postgres.connect(dsn, "public", size=2) as pool:
            await pool.fetchval("SELECT 1")
            assert first.passed
            await first.become(Weather(cut_after=0))
            first.cut()

            async with asyncio.timeout(5):
                while True:
                    try:
                        assert await pool.fetchval("SELECT 1") == 1
                        break
                    except postgres.UNAVAILABLE:
                        continue


async def test_a_host_that_does_not_know_the_database_yet_is_passed(database_url: str) -> None:
    """A standby that lags is asked first, and refuses what it has not heard of: another host may know it."""
    with folder() as own:
        node = PostgresNode(own / "postgres")
        try:
            await node.start()
            conn = await hosts.Hosts(among(database_url, f"127.0.0.1:{node.port}")).connect()
            await conn.close()
        finally:
            node.kill()


async def test_a_server_that_takes_no_writes_is_not_used(read_only: str) -> None:
    """A lone standby is a database that is away; it is not read from either."""
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched) as alone:
        await hosts.Hosts(read_only).connect()
    with pytest.raises(hosts.NoneTakesWrites, match=r"127.0.0.1:1: .*; .*read-write") as among_others:
        await hosts.Hosts(among(read_only, REFUSES)).connect()

    for raised in (alone, among_others):
        assert isinstance(raised.value, postgres.UNAVAILABLE)


async def test_a_server_that_takes_no_writes_any_more_is_left(database_url: str) -> None:
    """What it refuses says that the database is away, and every connection to it is made anew."""
    async with postgres.connect(database_url, "public", size=2) as pool:
        async with pool.acquire() as idle, pool.acquire() as conn:
            before = {idle.get_server_pid(), conn.get_server_pid()}
            await conn.execute("SET default_transaction_read_only = on")
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as raised:
                await conn.execute("CREATE TABLE written ()")
        assert isinstance(raised.value, postgres.UNAVAILABLE)

        async with pool.acquire() as one, pool.acquire() as other:
            assert before.isdisjoint({one.get_server_pid(), other.get_server_pid()})
            await one.execute("CREATE TABLE written ()")


async def test_a_host_that_is_gone_without_a_word_is_noticed_by_the_system(database_url: str) -> None:
    """What it does not receive within seconds ends the connection, where a statement may take half a minute."""
    conn = await hosts.Hosts(database_url).connect()
    transport = conn._transport  # type: ignore[attr-defined]

    found = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert found == 10_000
    await conn.close()
