"""Statements on the audit: what is noted of transitions, and the chain of seals over it."""

from collections.abc import AsyncIterator

from placet_approval.chain import Place, Row, Sealed
from placet_runtime.postgres import Connection

_LOCK = "placet.audit"
_CHUNK = 200

# A row below this is committed and seen, or will never be: no transaction that is under way has a smaller id.
HORIZON = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + last_value FROM audit_shift)"

# Entries, out of the columns of an approval.
OPENED = "json_build_object('kind', 'opened', 'approval', id, 'digest', digest)"
RESOLVED = """json_build_object('kind', status, 'approval', id, 'run', run_id, 'gate', gate, 'digest', digest,
                                'by', resolved_by, 'channel', channel, 'comment', comment)"""

# Whoever acts in this transaction (`act`); else, of what those change who may write here, their role in the database.
BY = "coalesce(nullif(current_setting('placet.actor', true), ''), 'db:' || session_user)"


def noted(entries: str) -> str:
    """A CTE that notes the entries which a query over the statement's own changes selects."""
    return f"""noted AS (
            INSERT INTO audit (entries)
            SELECT json_strip_nulls(json_agg(e.entry)) FROM ({entries}) AS e (entry) HAVING count(*) > 0)"""


async def act(conn: Connection, actor: str | None) -> None:
    """Have what the transaction notes be this actor's, until it ends; ``None``: the database role's."""
    await conn.execute("SELECT set_config('placet.actor', $1, true)", actor or "")


async def lock(conn: Connection) -> bool:
    """Become the one that seals until the transaction ends; false where somebody else is."""
    return bool(await conn.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", _LOCK))


async def align(conn: Connection) -> None:
    """Have positions go on behind the last one, where transaction ids began anew: the database came from a dump."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", _LOCK)
    await conn.execute(
        """
        SELECT setval('audit_shift', last.position + 1 - pg_snapshot_xmin(now.snapshot)::text::bigint)
          FROM (SELECT max(position) AS position FROM audit) AS last, audit_shift AS shift,
               (SELECT pg_current_snapshot() AS snapshot) AS now
         WHERE last.position >= pg_snapshot_xmax(now.snapshot)::text::bigint + shift.last_value
        """
    )


async def head(conn: Connection) -> Sealed | None:
    """The last link of the chain; ``None`` before anything was sealed."""
    row = await conn.fetchrow("SELECT seq, rows, seal FROM audit_seals ORDER BY seq DESC LIMIT 1")
    return Sealed(**row) if row else None


async def add(conn: Connection, sealed: Sealed) -> None:
    """Add a link."""
    await conn.execute(
        "INSERT INTO audit_seals (seq, rows, seal) VALUES ($1, $2, $3)", sealed.seq, sealed.rows, sealed.seal
    )


async def settled(conn: Connection, after: Place, limit: int) -> list[Row]:
    """Rows behind a place, in order, among which no other can appear any more."""
    rows = await conn.fetch(
        f"""
        SELECT position, id, at, entries FROM audit
         WHERE (position, id) > ($1, $2) AND position < {HORIZON}
         ORDER BY position, id LIMIT $3
        """,
        *after,
        limit,
    )
    return [Row(**row) for row in rows]


async def waited(conn: Connection, after: Place) -> float:
    """For how many seconds the first row behind a place has been there; 0 where there is none."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM audit
         WHERE (position, id) > ($1, $2) ORDER BY position, id LIMIT 1
        """,
        *after,
    )
    return seconds or 0.0


async def rows(conn: Connection) -> AsyncIterator[Row]:
    """All rows, in order; in a transaction."""
    query = "SELECT position, id, at, entries FROM audit ORDER BY position, id"
    async for row in conn.cursor(query, prefetch=_CHUNK):
        yield Row(**row)


async def seals(conn: Connection) -> AsyncIterator[Sealed]:
    """All links of the chain, in order; in a transaction."""
    async for row in conn.cursor("SELECT seq, rows, seal FROM audit_seals ORDER BY seq", prefetch=_CHUNK):
        yield Sealed(**row)
