"""Where messages stay that could not be read or were refused: with their bytes and the reason, until somebody looks.

A message that leaves is noted in ``quarantine_released`` by the statement that removes it; `telling` tells of both.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog
from prometheus_client import Counter

from placet_contracts.events import QuarantineHandle
from placet_contracts.topology import Service
from placet_runtime.postgres import Connection, Pool, columns

log = structlog.get_logger()

QUARANTINED = Counter("placet_quarantined_total", "Messages put into quarantine", ["service", "type"])


@dataclass(frozen=True, slots=True)
class Refused:
    """A message, or one event of it, and why it was refused."""

    type: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused message as it is kept, without its bytes: there may be many of them."""

    id: UUID
    type: str
    reason: str
    size: int  # bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages that were refused for the same reason."""

    type: str
    reason: str
    messages: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which messages: of a type, with a text in their reason; all, where nothing is said."""

    type: str | None = None
    reason: str | None = None


_COLUMNS = "id, type, reason, length(body) AS size, created_at"
_AT_A_TIME = 16 * 1024 * 1024  # bytes; a statement cannot take more than 1 GB
_OPERATOR = "'db:' || session_user"  # of whom no more is known
_CLOCK = "clock"  # the actor of what goes after its time


def _noted(released: str) -> str:
    """A CTE that notes what has left: (id, outcome, by) by a query over the statement's own changes."""
    return f"""noted AS (
            INSERT INTO quarantine_released (id, outcome, by) {released}
            ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, by = excluded.by, at = excluded.at)"""


async def add(conn: Connection | Pool, service: Service, refused: Sequence[Refused]) -> None:
    """Keep refused messages. One that comes again with the same reason is kept once."""
    for part in _parts(refused):
        rows = await conn.fetch(
            """
            INSERT INTO quarantine (id, type, reason, body)
            SELECT r.id, r.type, r.reason, r.body
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) AS r (id, type, reason, body)
            ON CONFLICT DO NOTHING
            RETURNING id, type, reason, length(body) AS bytes
            """,
            *columns([(_id(item), item.type, _clean(item.reason), item.body) for item in part], 4),
        )
        for row in rows:
            QUARANTINED.labels(service, row["type"]).inc()
            log.warning("message.quarantined", **{**row, "id": str(row["id"])})


async def newest(conn: Connection | Pool, limit: int, *, before: UUID | None = None) -> list[Quarantined]:
    """The latest ones first, from behind one on."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM quarantine
         WHERE $2::uuid IS NULL OR (created_at, id) < (SELECT created_at, id FROM quarantine WHERE id = $2)
         ORDER BY created_at DESC, id DESC LIMIT $1
        """,
        limit,
        before,
    )
    return [Quarantined(**row) for row in rows]


async def kinds(conn: Connection | Pool, limit: int) -> list[Kind]:
    """What there is, the most frequent reasons first."""
    rows = await conn.fetch(
        """
        SELECT type, reason, count(*) AS messages FROM quarantine
         GROUP BY type, reason ORDER BY messages DESC, type, reason LIMIT $1
        """,
        limit,
    )
    return [Kind(**row) for row in rows]


async def body(conn: Connection | Pool, id: UUID) -> bytes | None:
    """The bytes of a message; ``None`` if there is none of this id."""
    found: bytes | None = await conn.fetchval("SELECT body FROM quarantine WHERE id = $1", id)
    return found


async def take(conn: Connection | Pool, id: UUID) -> bytes | None:
    """Discard one and return its bytes."""
    taken: bytes | None = await conn.fetchval(
        f"""
        WITH gone AS (DELETE FROM quarantine WHERE id = $1 RETURNING id, body),
             {_noted(f"SELECT id, 'discarded', {_OPERATOR} FROM gone")}
        SELECT body FROM gone
        """,
        id,
    )
    return taken


async def chosen(conn: Connection | Pool, which: Chosen) -> list[UUID]:
    """The ids of messages, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT id FROM quarantine
         WHERE ($1::text IS NULL OR type = $1) AND ($2::text IS NULL OR strpos(reason, $2) > 0)
         ORDER BY created_at, id
        """,
        which.type,
        which.reason,
    )
    return [row["id"] for row in rows]


async def discard(conn: Connection | Pool, ids: Sequence[UUID]) -> int:
    """Remove messages; how many there were."""
    rows = await conn.fetch(
        f"""
        WITH gone AS (DELETE FROM quarantine WHERE id = ANY ($1::uuid[]) RETURNING id),
             {_noted(f"SELECT id, 'discarded', {_OPERATOR} FROM gone")}
        SELECT id FROM gone
        """,
        ids,
    )
    return len(rows)


async def expire(conn: Connection | Pool, keep: timedelta, limit: int) -> int:
    """Remove messages that were kept for so long, the oldest first; how many. What is to be taken in again stays."""
    rows = await conn.fetch(
        f"""
        WITH due AS (
        SELECT id FROM quarantine WHERE created_at < now() - $1::interval AND NOT retry
         ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED),
        gone AS (DELETE FROM quarantine AS q USING due WHERE q.id = due.id RETURNING q.id),
        {_noted("SELECT id, 'discarded', $3 FROM gone")}
        SELECT id FROM gone
        """,
        keep,
        limit,
        _CLOCK,
    )
    return len(rows)


async def retry(conn: Connection | Pool, ids: Sequence[UUID]) -> int:
    """Have the service take messages in again, soon; how many there are."""
    rows = await conn.fetch(
        f"UPDATE quarantine SET retry = true, retry_by = {_OPERATOR} WHERE id = ANY ($1::uuid[]) RETURNING id", ids
    )
    return len(rows)


async def handle(conn: Connection, commands: Sequence[QuarantineHandle]) -> None:
    """Do what is asked about messages, where they are as they were told; what is not there any more is told again."""
    rows = columns([(each.message_id, each.seq, each.action, each.by) for each in commands], 4)
    asked = "unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS c (id, seq, action, by)"
    await conn.execute(
        f"""
        WITH marked AS (
        UPDATE quarantine AS q SET retry = true, retry_by = c.by
          FROM {asked} WHERE q.id = c.id AND q.seq = c.seq AND NOT q.retry AND c.action = 'replay'),
        gone AS (
        DELETE FROM quarantine AS q
         USING {asked} WHERE q.id = c.id AND q.seq = c.seq AND c.action = 'discard' RETURNING q.id, c.by),
        {_noted("SELECT id, 'discarded', by FROM gone")}
        SELECT
        """,
        *rows,
    )
    await conn.execute(
        """
        INSERT INTO quarantine_released (id, outcome)
        SELECT DISTINCT c.id, 'discarded' FROM unnest($1::uuid[]) AS c (id)
         WHERE NOT EXISTS (SELECT FROM quarantine AS q WHERE q.id = c.id)
        ON CONFLICT DO NOTHING
        """,
        rows[0],
    )


async def taken_in(conn: Connection | Pool, id: UUID) -> None:
    """A message was taken in after all."""
    await conn.execute(
        f"""
        WITH gone AS (DELETE FROM quarantine WHERE id = $1 RETURNING id, retry_by),
             {_noted("SELECT id, 'replayed', retry_by FROM gone")}
        SELECT
        """,
        id,
    )


async def refuse_again(conn: Connection | Pool, id: UUID, reason: str) -> None:
    """A message that was to be taken in again stays where it is."""
    await conn.execute(
        "UPDATE quarantine SET retry = false, retry_by = NULL, reason = $2, seq = NULL WHERE id = $1",
        id,
        _clean(reason),
    )


async def to_retry(conn: Connection | Pool, limit: int) -> list[Quarantined]:
    """Messages that are to be taken in again."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM quarantine WHERE retry ORDER BY created_at LIMIT $1", limit)
    return [Quarantined(**row) for row in rows]


def _parts(refused: Sequence[Refused]) -> Iterator[list[Refused]]:
    """As many as a statement should take at a time."""
    part: list[Refused] = []
    size = 0
    for item in refused:
        if part and size + len(item.body) > _AT_A_TIME:
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item.body)
    if part:
        yield part


def _clean(reason: str) -> str:
    """A reason quotes names out of the message, and Postgres takes no NUL in a text."""
    return reason.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _id(item: Refused) -> UUID:
    return uuid5(NAMESPACE_OID, "\n".join((item.type, item.reason, hashlib.sha256(item.body).hexdigest())))
