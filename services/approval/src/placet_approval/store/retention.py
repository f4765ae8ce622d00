"""Statements on runs that ended long ago, and their approvals."""

from collections.abc import Sequence
from datetime import timedelta

from placet_approval.domain import Approval
from placet_approval.store import approvals, audit
from placet_runtime import retention
from placet_runtime.postgres import Connection, Pool
from placet_runtime.retention import Due

_NOTE_DELETED = audit.noted(
    """SELECT json_build_object('kind', 'deleted', 'approval', id, 'opened_at', opened_at, 'resolved_at', resolved_at)
         FROM asked
       UNION ALL SELECT json_build_object('kind', 'run.deleted', 'run', id) FROM gone"""
)


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
            INSERT INTO deleted_runs (id)
            SELECT r.id FROM runs AS r
             WHERE r.ended_at < now() - $1::interval
               AND NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = r.id)
             ORDER BY r.ended_at LIMIT $2
            ON CONFLICT DO NOTHING
            """,
            keep,
            limit,
        )
    )


async def lock_marked(conn: Connection, keep: timedelta, limit: int) -> list[str]:
    """The ids of such runs that were marked a while ago and that nothing open refers to; others leave them alone."""
    rows = await conn.fetch(
        """
        SELECT r.id FROM runs AS r
          JOIN deleted_runs AS d ON d.id = r.id AND d.marked_at < now() - $3::interval
         WHERE r.ended_at < now() - $1::interval
           AND NOT EXISTS (SELECT FROM approvals AS a WHERE a.run_id = r.id AND a.status = 'pending')
         ORDER BY r.ended_at LIMIT $2
           FOR UPDATE OF r SKIP LOCKED
        """,
        keep,
        limit,
        retention.GRACE,
    )
    return [row["id"] for row in rows]


async def approvals_of(conn: Connection, run_ids: Sequence[str]) -> list[Approval]:
    """The approvals that these runs have asked for, in the order in which they opened."""
    rows = await conn.fetch(
        f"""
        SELECT {approvals.COLUMNS} FROM approvals AS a
         WHERE a.run_id = ANY ($1::text[]) ORDER BY a.opened_at, a.id
        """,
        run_ids,
    )
    return [approvals.of(row) for row in rows]


async def delete_decisions(conn: Connection, run_ids: Sequence[str]) -> None:
    """Delete what belongs to the approvals of runs that are marked: votes, what is due, what was done to them, who
    has seen them, and decisions that were held."""
    await conn.execute(
        """
        WITH gone AS (SELECT id FROM approvals WHERE run_id = ANY ($1::text[])),
             due AS (DELETE FROM moments WHERE approval_id IN (SELECT id FROM gone)),
             done AS (DELETE FROM changes WHERE approval_id IN (SELECT id FROM gone)),
             seen AS (DELETE FROM views WHERE approval_id IN (SELECT id FROM gone)),
             held_back AS (DELETE FROM held WHERE approval_id IN (SELECT id FROM gone))
        DELETE FROM votes WHERE approval_id IN (SELECT id FROM gone)
        """,
        run_ids,
    )


async def delete(conn: Connection, run_ids: Sequence[str]) -> None:
    """Delete runs, what they did and asked for, and notifications; the audit notes that it was done."""
    await conn.execute(
        f"""
        WITH told AS (DELETE FROM deliveries WHERE run_id = ANY ($1::text[])),
             steps AS (DELETE FROM run_steps WHERE run_id = ANY ($1::text[])),
             retries AS (DELETE FROM run_retries WHERE run_id = ANY ($1::text[])),
             asked AS (DELETE FROM approvals WHERE run_id = ANY ($1::text[]) RETURNING id, opened_at, resolved_at),
             gone AS (DELETE FROM runs WHERE id = ANY ($1::text[]) RETURNING id),
             {_NOTE_DELETED}
        SELECT FROM gone
        """,
        run_ids,
    )
