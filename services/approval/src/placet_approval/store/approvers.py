"""Statements on whom pending approvals with terms ask now. What has ended asks nobody: a trigger sees to that."""

from collections.abc import Collection, Sequence
from uuid import UUID

from placet_approval.domain import Approval
from placet_approval.store import approvals
from placet_runtime.postgres import Connection, columns


async def put(conn: Connection, asked: Sequence[tuple[Approval, Collection[str]]]) -> None:
    """Have these approvals ask just these approvers. Their rows are locked, or new."""
    rows = [
        (approver, approval.opened_at, approval.expires_at, approval.id)
        for approval, named in asked
        for approver in sorted(named)
    ]
    await conn.execute(
        """
        WITH wanted AS (
            SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::uuid[])
                   AS w (approver, opened_at, expires_at, approval_id)),
        gone AS (
            DELETE FROM approvers AS s
             WHERE s.approval_id = ANY ($5::uuid[])
               AND NOT EXISTS (SELECT FROM wanted AS w WHERE (w.approval_id, w.approver) = (s.approval_id, s.approver)))
        INSERT INTO approvers (approver, opened_at, expires_at, approval_id) SELECT * FROM wanted
        ON CONFLICT DO NOTHING
        """,
        *columns(rows, 4),
        [approval.id for approval, _ in asked],
    )


async def lock_some(conn: Connection, after: UUID | None, limit: int) -> list[Approval]:
    """Pending approvals with terms, by their ids, from behind one on; locked until the transaction ends."""
    rows = await conn.fetch(
        f"""
        SELECT {approvals.COLUMNS} FROM approvals AS a
         WHERE a.status = 'pending' AND a.terms IS NOT NULL AND ($1::uuid IS NULL OR a.id > $1)
         ORDER BY a.id LIMIT $2
           FOR UPDATE
        """,
        after,
        limit,
    )
    return [approvals.of(row) for row in rows]
