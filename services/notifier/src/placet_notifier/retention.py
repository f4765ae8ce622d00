"""Statements on deliveries that ended long ago. What they leave tells a repeated cause from a new one."""

from datetime import timedelta

from placet_runtime import retention
from placet_runtime.postgres import Connection, Pool
from placet_runtime.retention import Due, Rule


async def due_deliveries(conn: Connection | Pool, keep: timedelta) -> Due:
    """Deliveries that have ended, and began so long ago."""
    return await retention.count(
        conn,
        "SELECT count(*) AS rows, min(created_at) AS oldest FROM deliveries"
        " WHERE due_at IS NULL AND created_at < now() - $1::interval",
        keep,
    )


async def mark_deliveries(conn: Connection | Pool, keep: timedelta, limit: int) -> int:
    """Mark such deliveries as going to be deleted."""
    return retention.rows_of(
        await conn.execute(
            """
            INSERT INTO deleted_deliveries (id)
            SELECT d.id FROM deliveries AS d
             WHERE d.due_at IS NULL AND d.created_at < now() - $1::interval
               AND NOT EXISTS (SELECT FROM deleted_deliveries AS gone WHERE gone.id = d.id)
             ORDER BY d.created_at LIMIT $2
            ON CONFLICT DO NOTHING
            """,
            keep,
            limit,
        )
    )


async def delete_deliveries(conn: Connection | Pool, keep: timedelta, limit: int) -> int:
    """Delete such deliveries that were marked a while ago."""
    return retention.rows_of(
        await conn.execute(
            """
            DELETE FROM deliveries AS d
             USING (SELECT ended.id FROM deliveries AS ended
                      JOIN deleted_deliveries AS gone
                        ON gone.id = ended.id AND gone.marked_at < now() - $3::interval
                     WHERE ended.due_at IS NULL AND ended.created_at < now() - $1::interval
                     ORDER BY ended.created_at LIMIT $2
                       FOR UPDATE OF ended SKIP LOCKED) AS due
             WHERE d.id = due.id
            """,
            keep,
            limit,
            retention.GRACE,
        )
    )


DELIVERIES = Rule("deliveries", due_deliveries, delete_deliveries, mark_deliveries)
RULES = (DELIVERIES, retention.QUARANTINE)
