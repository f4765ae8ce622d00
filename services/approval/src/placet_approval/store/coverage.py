"""Statements that compare what has happened with what the audit says of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from placet_approval.domain import Finding
from placet_runtime.postgres import Connection

# What must be noted: a kind, an id, and the facts. When a run was cancelled is not known: where it is from before the
# beginning, its cancellation may be noted, and need not be.
_HAPPENED = """
    SELECT 'opened' AS kind, id::text AS id, ARRAY[digest] AS facts, opened_at >= $1 AS due FROM approvals
    UNION ALL
    SELECT status, id::text, ARRAY[run_id, gate, digest, resolved_by, channel, comment], resolved_at >= $1
      FROM approvals WHERE status <> 'pending'
    UNION ALL
    SELECT 'run.cancelled', id, ARRAY[cancelled_by], created_at >= $1 FROM runs WHERE cancelled_by IS NOT NULL
    UNION ALL
    SELECT 'key.created', id, ARRAY[name, role], created_at >= $1 FROM api_keys
    UNION ALL
    SELECT 'key.revoked', id, ARRAY[name, role], revoked_at >= $1 FROM api_keys WHERE revoked_at IS NOT NULL
"""

_NOTED = """
    SELECT e.kind, coalesce(e.approval, e.run, e.key) AS id,
           CASE WHEN e.kind = 'opened' THEN ARRAY[e.digest]
                WHEN e.kind = 'run.cancelled' THEN ARRAY[e.by]
                WHEN e.kind IN ('key.created', 'key.revoked') THEN ARRAY[e.name, e.role]
                ELSE ARRAY[e.run, e.gate, e.digest, e.by, e.channel, e.comment] END AS facts
      FROM audit AS a, json_to_recordset(a.entries)
           AS e (kind text, approval text, run text, gate text, digest text, by text, channel text, comment text,
                 key text, name text, role text)
     WHERE e.kind IN ('opened', 'approved', 'rejected', 'expired', 'cancelled', 'run.cancelled', 'key.created',
                      'key.revoked')
"""

# What retention has deleted is not there any more, and was.
_DELETED = """
    SELECT coalesce(e.approval, e.run) AS id, e.opened_at, e.resolved_at
      FROM audit AS a, json_to_recordset(a.entries)
           AS e (kind text, approval text, run text, opened_at timestamptz, resolved_at timestamptz)
     WHERE e.kind IN ('deleted', 'run.deleted')
"""


@dataclass(frozen=True, slots=True)
class Beginning:
    """From when on the audit covers every transition, and how many approvals there were then."""

    at: datetime
    opened: int
    resolved: int


async def now(conn: Connection) -> datetime:
    """The time by the database's clock."""
    at: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return at


async def beginnings(conn: Connection) -> list[Beginning]:
    """What the audit says of its beginning: just one, unless somebody was at it."""
    rows = await conn.fetch(
        """
        SELECT a.at, e.opened, e.resolved
          FROM audit AS a, json_to_recordset(a.entries) AS e (kind text, opened integer, resolved integer)
         WHERE e.kind = 'began' ORDER BY a.position, a.id LIMIT 2
        """
    )
    return [Beginning(**row) for row in rows]


async def before(conn: Connection, began: datetime) -> tuple[int, int]:
    """How many approvals have opened, and how many were resolved, before then."""
    row = await conn.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE opened_at < $1) AS opened, count(*) FILTER (WHERE resolved_at < $1) AS resolved
          FROM (SELECT opened_at, resolved_at FROM approvals
                UNION ALL SELECT opened_at, resolved_at FROM ({_DELETED}) AS d) AS were
        """,
        began,
    )
    return (row["opened"], row["resolved"]) if row else (0, 0)


async def gaps(conn: Connection, began: datetime) -> AsyncIterator[Finding]:
    """Transitions without their entry, entries without their transition, and those that tell different things."""
    query = f"""
        SELECT kind, id, h.facts AS happened, n.facts AS noted, h.due
          FROM ({_HAPPENED}) AS h FULL JOIN ({_NOTED}) AS n USING (kind, id)
         WHERE (n.facts IS NULL AND h.due)
            OR (h.facts IS NULL AND id NOT IN (SELECT id FROM ({_DELETED}) AS d))
            OR (n.facts IS NOT NULL AND h.facts <> n.facts)
    """
    async for row in conn.cursor(query, began, prefetch=200):
        name = f"{row['kind']} {row['id']}"
        if row["noted"] is None:
            yield Finding("missing entry", name, "it has happened, and no entry tells of it")
        elif row["happened"] is None:
            yield Finding("missing transition", name, "an entry tells of it, and it is not there")
        else:
            yield Finding(
                "contradiction", name, f"{_facts(row['happened'])}, and its entry says {_facts(row['noted'])}"
            )


def _facts(facts: list[str | None]) -> str:
    return ", ".join(str(fact) for fact in facts if fact is not None)
