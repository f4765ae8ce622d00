"""Where messages stay that could not be read or were refused: with their bytes and the reason, until somebody looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter
from uuid_utils.compat import uuid7

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
    """Keep refused messages."""
    if not refused:
        return
    # A reason quotes names out of the message, and Postgres takes no NUL in a text.
    rows = [(uuid7(), item.type, item.reason.replace("\0", "\N{REPLACEMENT CHARACTER}"), item.body) for item in refused]
    await conn.execute(
        """
        INSERT INTO quarantine (id, type, reason, body)
        SELECT r.id, r.type, r.reason, r.body
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) AS r (id, type, reason, body)
        """,
        *columns(rows, 4),
    )
    for item in refused:
        QUARANTINED.labels(service, item.type).inc()
        log.warning("message.quarantined", type=item.type, reason=item.reason, bytes=len(item.body))


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
