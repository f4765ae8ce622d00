"""Statements on who has opened the pages of approvals."""

from collections.abc import Sequence
from uuid import UUID

from placet_approval.domain import View
from placet_runtime.postgres import Connection


async def note(conn: Connection, approval_id: UUID, subject: str, actor: str) -> bool:
    """Note that somebody has opened a pending approval's page, for the first time; whether that is news."""
    seen = await conn.fetchval(
        """
        WITH seen AS (
        INSERT INTO views (approval_id, subject, actor)
        SELECT a.id, $2, $3 FROM approvals AS a WHERE a.id = $1 AND a.status = 'pending'
        ON CONFLICT DO NOTHING RETURNING approval_id),
        marked AS (
        UPDATE approvals AS a SET viewed = true
          FROM seen WHERE a.id = seen.approval_id AND a.status = 'pending' AND NOT a.viewed)
        SELECT approval_id FROM seen
        """,
        approval_id,
        subject,
        actor,
    )
    return seen is not None


async def of_approvals(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[View, ...]]:
    """Who has opened the pages of approvals, in the order in which they did."""
    found: dict[UUID, tuple[View, ...]] = {}
    rows = await conn.fetch(
        "SELECT approval_id, actor, at FROM views WHERE approval_id = ANY ($1::uuid[]) ORDER BY at, subject", ids
    )
    for row in rows:
        found[row["approval_id"]] = (*found.get(row["approval_id"], ()), View(row["actor"], row["at"]))
    return found
