"""Statements on who stands in for whom."""

from collections.abc import Sequence
from uuid import UUID

from placet_approval.domain import Delegation
from placet_approval.store import audit
from placet_runtime.postgres import Connection

_COLUMNS = "d.id, d.principal, d.delegate, d.starts_at, d.ends_at, d.created_by, d.created_at, d.ended_by, d.ended_at"

_NOTE_MADE = audit.noted(
    """SELECT json_build_object('kind', 'delegation.made', 'delegation', id, 'for', principal, 'to', delegate,
                                'from', starts_at, 'until', ends_at, 'by', created_by)
         FROM made"""
)
_NOTE_ENDED = audit.noted(
    "SELECT json_build_object('kind', 'delegation.ended', 'delegation', id, 'by', ended_by) FROM ended"
)


async def add(conn: Connection, delegation: Delegation) -> None:
    """Write one down."""
    await conn.execute(
        f"""
        WITH made AS (
        INSERT INTO delegations (id, principal, delegate, starts_at, ends_at, created_by)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING *),
        {_NOTE_MADE}
        SELECT FROM made
        """,
        delegation.id,
        delegation.principal,
        delegation.delegate,
        delegation.starts_at,
        delegation.ends_at,
        delegation.created_by,
    )


async def current(conn: Connection, delegates: Sequence[str]) -> list[tuple[str, str]]:
    """For whom these stand in just now: (delegate, principal)."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT d.delegate, d.principal FROM delegations AS d
         WHERE d.delegate = ANY ($1::text[]) AND d.ended_at IS NULL AND d.starts_at <= now() AND d.ends_at > now()
        """,
        delegates,
    )
    return [(row["delegate"], row["principal"]) for row in rows]


async def every(conn: Connection) -> list[Delegation]:
    """Those that are not over, the earliest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM delegations AS d
         WHERE d.ended_at IS NULL AND d.ends_at > now() ORDER BY d.starts_at, d.id LIMIT 1000
        """
    )
    return [Delegation(**row) for row in rows]


async def end(conn: Connection, id: UUID, by: str) -> Delegation | None:
    """End one now; ``None`` where there is none that has not ended."""
    row = await conn.fetchrow(
        f"""
        WITH ended AS (
        UPDATE delegations AS d SET ended_at = now(), ended_by = $2
         WHERE d.id = $1 AND d.ended_at IS NULL RETURNING {_COLUMNS}),
        {_NOTE_ENDED}
        SELECT * FROM ended
        """,
        id,
        by,
    )
    return None if row is None else Delegation(**row)
