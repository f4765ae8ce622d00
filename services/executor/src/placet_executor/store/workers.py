"""Statements on live executors and what they serve."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from placet_runtime.postgres import Connection, columns


async def now(conn: Connection) -> datetime:
    """The time of this transaction."""
    at: datetime = await conn.fetchval("SELECT now()")
    return at


async def register(conn: Connection, worker: str, served: Sequence[tuple[str, int]]) -> None:
    """Say that a worker lives, and what it serves: (workflow, version)."""
    await conn.execute(
        "INSERT INTO workers (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()",
        worker,
    )
    await conn.execute(
        """
        INSERT INTO served (worker, workflow, version)
        SELECT $1, s.workflow, s.version FROM unnest($2::text[], $3::integer[]) AS s (workflow, version)
        ON CONFLICT DO NOTHING
        """,
        worker,
        *columns(served, 2),
    )


async def forget(conn: Connection, worker: str) -> None:
    """A worker has gone."""
    await conn.execute("DELETE FROM workers WHERE id = $1", worker)


async def forget_silent(conn: Connection, after: timedelta) -> list[str]:
    """Forget workers that have not been seen for a while."""
    rows = await conn.fetch("DELETE FROM workers WHERE seen_at < now() - $1::interval RETURNING id", after)
    return [row["id"] for row in rows]
