"""How services use Postgres."""

import asyncpg
import pytest

from placet_runtime import postgres

# FATAL, 57P01, as a server says to a connection before it closes it.
_GOODBYE = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


async def test_a_plan_from_an_empty_table_does_not_scan_a_full_one(database_url: str) -> None:
    """A prepared statement that was planned while its table was small goes by the index ever after."""
    async with postgres.connect(database_url, "executor", size=2) as pool, pool.acquire() as conn:
        await conn.execute("PREPARE look (text[]) AS SELECT input FROM runs WHERE id = ANY ($1)")
        for _ in range(6):  # then Postgres settles for one plan
            await conn.execute("EXECUTE look (ARRAY['run-1'])")

        plan = [row[0] for row in await conn.fetch("EXPLAIN (COSTS OFF) EXECUTE look (ARRAY['run-1'])")]

    assert any("runs_pkey" in line for line in plan), plan


async def test_a_connection_that_was_told_goodbye_is_the_database_that_is_away(database_url: str) -> None:
    """What is asked over a connection that the server is about to close says that the database is away, not a bug."""
    async with postgres.connect(database_url, "executor", size=2) as pool:
        async with pool.acquire() as conn:
            protocol = conn._con._protocol  # type: ignore[attr-defined]
        protocol.data_received(b"E" + (len(_GOODBYE) + 4).to_bytes(4, "big") + _GOODBYE)

        with pytest.raises(asyncpg.InternalClientError) as raised:
            await pool.fetchval("SELECT 1")

    assert isinstance(raised.value, postgres.UNAVAILABLE)
