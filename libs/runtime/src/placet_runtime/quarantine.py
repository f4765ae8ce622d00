"""Where messages stay that could not be read or were refused: with their bytes and the reason, until somebody looks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog
from prometheus_client import Counter

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
    """A refused message as it is kept."""

    id: UUID
    type: str
    reason: str
    body: bytes
    created_at: datetime


async def add(conn: Connection | Pool, service: Service, refused: Sequence[Refused]) -> None:
    """Keep refused messages. One that comes again with the same reason is kept once."""
    if not refused:
        return
    rows = await conn.fetch(
        """
        INSERT INTO quarantine (id, type, reason, body)
        SELECT r.id, r.type, r.reason, r.body
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) AS r (id, type, reason, body)
        ON CONFLICT DO NOTHING
        RETURNING id, type, reason, length(body) AS bytes
        """,
        *columns([(_id(item), item.type, _clean(item.reason), item.body) for item in refused], 4),
    )
    for row in rows:
        QUARANTINED.labels(service, row["type"]).inc()
        log.warning("message.quarantined", **{**row, "id": str(row["id"])})


async def newest(conn: Connection | Pool, limit: int) -> list[Quarantined]:
    """The latest ones first."""
    rows = await conn.fetch(
        "SELECT id, type, reason, body, created_at FROM quarantine ORDER BY created_at DESC, id DESC LIMIT $1", limit
    )
    return [Quarantined(**row) for row in rows]


async def take(conn: Connection | Pool, id: UUID) -> Quarantined | None:
    """Remove one and return it."""
    row = await conn.fetchrow("DELETE FROM quarantine WHERE id = $1 RETURNING id, type, reason, body, created_at", id)
    return Quarantined(**row) if row else None


async def retry(conn: Connection | Pool, id: UUID) -> bool:
    """Have the service take a message in again, soon; whether there is such a message."""
    return bool(await conn.fetchval("UPDATE quarantine SET retry = true WHERE id = $1 RETURNING true", id))


async def refuse_again(conn: Connection | Pool, id: UUID, reason: str) -> None:
    """A message that was to be taken in again stays where it is."""
    await conn.execute("UPDATE quarantine SET retry = false, reason = $2 WHERE id = $1", id, _clean(reason))


async def to_retry(conn: Connection | Pool, limit: int) -> list[Quarantined]:
    """Messages that are to be taken in again."""
    rows = await conn.fetch(
        "SELECT id, type, reason, body, created_at FROM quarantine WHERE retry ORDER BY created_at LIMIT $1", limit
    )
    return [Quarantined(**row) for row in rows]


def _clean(reason: str) -> str:
    """A reason quotes names out of the message, and Postgres takes no NUL in a text."""
    return reason.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _id(item: Refused) -> UUID:
    return uuid5(NAMESPACE_OID, "\n".join((item.type, item.reason, hashlib.sha256(item.body).hexdigest())))
