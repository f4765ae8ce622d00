"""Statements on runs that ended long ago. What they leave tells a repeated start, or decision, from a new one."""

from datetime import timedelta

from placet_runtime import retention
from placet_runtime.postgres import Connection, Pool
from placet_runtime.retention import Due, Rule


async def due_runs(conn: Connection | Pool, keep: timedelta) -> Due:
    """Runs that ended so long ago."""
    return await retention.count(
        conn,
        "SELECT count(*) AS rows, min(ended_at) AS oldest FROM runs WHERE ended_at < now() - $1::interval",
        keep,
    )


async def mark_runs(conn: Connection | Pool, keep: timedelta, limit: int) -> int:
    """Mark such runs as going to be deleted."""
    return retention.rows_of(
        await conn.execute(
            """
            INSERT INTO deleted_runs (id, event_source, event_id, start_digest)
            SELECT r.id, r.event_source, r.event_id, r.start_digest FROM runs AS r
             WHERE r.ended_at < now() - $1::interval
               AND NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = r.id)
             ORDER BY r.ended_at LIMIT $2
            ON CONFLICT DO NOTHING
            """,
            keep,
            limit,
        )
    )


async def delete_runs(conn: Connection | Pool, keep: timedelta, limit: int) -> int:
    """Delete such runs that were marked a while ago, with their steps, gates and notifications."""
    return retention.rows_of(
        await conn.execute(
            """
            DELETE FROM runs AS r
             USING (SELECT ended.id FROM runs AS ended
                      JOIN deleted_runs AS d ON d.id = ended.id AND d.marked_at < now() - $3::interval
                     WHERE ended.ended_at < now() - $1::interval
                     ORDER BY ended.ended_at LIMIT $2
                       FOR UPDATE OF ended SKIP LOCKED) AS due
             WHERE r.id = due.id
            """,
            keep,
            limit,
            retention.GRACE,
        )
    )


RUNS = Rule("runs", due_runs, delete_runs, mark_runs)
RULES = (RUNS, retention.QUARANTINE)
