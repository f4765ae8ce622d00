"""What the approval service hears of a service's quarantine, and what it has that service do about it.

That a message lies in quarantine, and that it has left, is committed as a row that is still to be told; a loop tells,
one replica at a time. So it is the same whoever put a message in or took it out: a handler, a command, retention; and
what was there before anybody told is told like the rest.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from pydantic_core import from_json

from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import EVENTS, MessageQuarantined, MessageReleased, QuarantineHandle
from placet_contracts.topology import Service, producer
from placet_runtime import quarantine
from placet_runtime.consumer import Permanent
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Connection, Pool

News: TypeAlias = MessageQuarantined | MessageReleased

_SHOWN = 16 * 1024  # bytes of a body
_ATTRIBUTE = 200  # characters of an attribute, and ten times as many of a reason
_AT_A_TIME = 100


class HasOutbox(Protocol):
    """What the use cases here need of a service."""

    @property
    def outbox(self) -> Outbox: ...


async def on_quarantine_handle(deps: HasOutbox, events: Sequence[CloudEvent[QuarantineHandle]]) -> None:
    """Do what operators ask about messages that this service keeps.

    Raises:
        Permanent: it is not the approval service that asks.
    """
    for event in events:
        if producer(event.source) != "approval":
            raise Permanent(f"{event.source} may not say what becomes of a message: the approval service alone does")
    own = [event.data for event in events if event.data.service == deps.outbox.service]
    if own:
        async with deps.outbox.transaction() as (conn, _):
            await quarantine.handle(conn, own)


async def tell(pool: Pool, outbox: Outbox) -> None:
    """Tell the approval service all that it does not know yet."""
    while await is_due(pool):
        async with outbox.transaction() as (conn, emit):
            if not (news := await untold(conn, outbox.service)):
                return
            emit(news)


async def is_due(pool: Pool) -> bool:
    """Whether there is anything to be told."""
    due: bool = await pool.fetchval(
        """
        SELECT EXISTS (SELECT FROM quarantine WHERE seq IS NULL) OR EXISTS (SELECT FROM quarantine_released)
        """
    )
    return due


async def untold(conn: Connection, service: Service) -> list[News]:
    """Some of what is to be told, which counts as told with the transaction; none while another replica tells."""
    if not await conn.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", f"placet.quarantine.{service}"
    ):
        return []
    kept = await _kept(conn, service)
    released = await _released(conn, service, [each.message_id for each in kept])
    return [*kept, *released]


async def _kept(conn: Connection, service: Service) -> list[MessageQuarantined]:
    rows = await conn.fetch(
        """
        UPDATE quarantine AS q SET seq = nextval('quarantine_seq')
          FROM (SELECT id FROM quarantine WHERE seq IS NULL ORDER BY created_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS untold
         WHERE q.id = untold.id
        RETURNING q.id, q.seq, q.type, q.reason, q.created_at, length(q.body) AS size, substr(q.body, 1, $2) AS body
        """,
        _AT_A_TIME,
        _SHOWN,
    )
    return [_quarantined(service, row) for row in rows]


async def _released(conn: Connection, service: Service, back: Sequence[UUID]) -> list[MessageReleased]:
    """Those that have left, without those that are ``back``."""
    if back:
        await conn.execute("DELETE FROM quarantine_released WHERE id = ANY ($1::uuid[])", back)
    rows = await conn.fetch(
        """
        DELETE FROM quarantine_released AS r
         USING (SELECT id FROM quarantine_released ORDER BY at LIMIT $1) AS untold
         WHERE r.id = untold.id
        RETURNING r.id, r.outcome, r.by, r.at, nextval('quarantine_seq') AS seq
        """,
        _AT_A_TIME,
    )
    return [
        MessageReleased(
            service=service,
            message_id=row["id"],
            seq=row["seq"],
            outcome=row["outcome"],
            by=row["by"],
            at=row["at"],
        )
        for row in rows
    ]


def _quarantined(service: Service, row: Any) -> MessageQuarantined:
    attributes = _attributes(row["body"])
    own = attributes.get("type")
    return MessageQuarantined(
        service=service,
        message_id=row["id"],
        seq=row["seq"],
        event_type=own if row["type"] == "dead" and own in EVENTS else row["type"],
        source=_text(attributes.get("source")),
        event_id=_text(attributes.get("id")),
        reason=row["reason"][: 10 * _ATTRIBUTE],
        at=row["created_at"],
        size=row["size"],
        body=_clean(row["body"].decode(errors="replace")),
        truncated=row["size"] > len(row["body"]),
    )


def _attributes(body: bytes) -> dict[str, Any]:
    """Those of the event that a message, or its beginning, holds first; none where it is no JSON."""
    try:
        value = from_json(body.decode(errors="ignore"), allow_partial=True)
    except ValueError:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return _clean(value[:_ATTRIBUTE]) if isinstance(value, str) else None


def _clean(text: str) -> str:
    """Postgres takes no NUL in a text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
