"""Statements on messages in quarantine, of all services."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from placet_approval.quarantined import Name, Quarantined
from placet_approval.store import audit
from placet_approval.store.conditions import Conditions
from placet_contracts.events import Handling, MessageQuarantined, MessageReleased
from placet_runtime.postgres import Connection, columns

_COLUMNS = """q.service, q.id, q.event_type, q.source, q.event_id, q.reason, q.at, q.size, q.truncated, q.asked,
              q.asked_by, q.asked_at, q.refused_at, q.outcome, q.released_by, q.released_at"""

_NOTE_ASKED = audit.noted(
    """SELECT json_build_object('kind', 'quarantine.' || asked, 'service', service, 'message', id,
                                'type', event_type, 'by', asked_by)
         FROM asked"""
)
# What nobody has asked for here, and the clock has not done.
_NOTE_RELEASED = audit.noted(
    """SELECT json_build_object('kind', 'quarantine.' || outcome, 'service', service, 'message', id,
                                'type', nullif(event_type, ''), 'by', released_by)
         FROM released WHERE asked IS NULL AND released_by <> 'clock'"""
)


async def follow(conn: Connection, told: Sequence[MessageQuarantined]) -> None:
    """Show messages as they are told of, where that is news. At most one word on each message.

    One that is told of anew while it is there was refused once more; what was asked for about it is done.
    """
    await conn.execute(
        """
        INSERT INTO quarantined AS q (service, id, seq, event_type, source, event_id, reason, at, size, body, truncated)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::timestamptz[], $9::bigint[], $10::text[], $11::boolean[])
        ON CONFLICT (service, id) DO UPDATE
           SET seq = excluded.seq, event_type = excluded.event_type, source = excluded.source,
               event_id = excluded.event_id, reason = excluded.reason, at = excluded.at, size = excluded.size,
               body = excluded.body, truncated = excluded.truncated, asked = NULL,
               asked_by = CASE WHEN q.outcome IS NULL THEN q.asked_by END,
               asked_at = CASE WHEN q.outcome IS NULL THEN q.asked_at END,
               refused_at = CASE WHEN q.outcome IS NULL THEN now() END,
               outcome = NULL, released_by = NULL, released_at = NULL
         WHERE q.seq < excluded.seq
        """,
        *columns(
            [
                (
                    m.service,
                    m.message_id,
                    m.seq,
                    m.event_type,
                    m.source,
                    m.event_id,
                    m.reason,
                    m.at,
                    m.size,
                    m.body,
                    m.truncated,
                )
                for m in sorted(told, key=_place)
            ],
            11,
        ),
    )


async def release(conn: Connection, told: Sequence[MessageReleased]) -> None:
    """Messages that have left, where that is news. At most one word on each; what was said first of an end counts."""
    await conn.execute(
        f"""
        WITH released AS (
        INSERT INTO quarantined AS q (service, id, seq, at, outcome, released_by, released_at)
        SELECT t.service, t.id, t.seq, t.at, t.outcome, t.by, t.at
          FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
               AS t (service, id, seq, outcome, by, at)
        ON CONFLICT (service, id) DO UPDATE
           SET seq = excluded.seq, outcome = coalesce(q.outcome, excluded.outcome), body = '',
               released_by = CASE WHEN q.outcome IS NULL THEN excluded.released_by ELSE q.released_by END,
               released_at = coalesce(q.released_at, excluded.released_at)
         WHERE q.seq < excluded.seq
        RETURNING *),
        {_NOTE_RELEASED}
        SELECT
        """,
        *columns([(m.service, m.message_id, m.seq, m.outcome, m.by, m.at) for m in sorted(told, key=_place)], 6),
    )


async def page(
    conn: Connection,
    *,
    service: str | None,
    event_type: str | None,
    after: tuple[datetime, Name] | None,
    limit: int,
) -> list[Quarantined]:
    """What is in quarantine, the latest first, from behind a place on; without the bodies."""
    conditions = Conditions()
    conditions.add("q.outcome IS NULL")
    if service is not None:
        conditions.add("q.service = {}", service)
    if event_type is not None:
        conditions.add("q.event_type = {}", event_type)
    if after is not None:
        at, name = after
        conditions.add("(q.at, q.service, q.id) < ({}, {}, {})", at, name.service, name.id)
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM quarantined AS q
        {conditions.where}
         ORDER BY q.at DESC, q.service DESC, q.id DESC LIMIT {int(limit)}
        """,
        *conditions.values,
    )
    return [Quarantined(**row) for row in rows]


async def get(conn: Connection, names: Sequence[Name]) -> dict[Name, Quarantined]:
    """Messages with their bodies, also those that have left not long ago."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}, q.body
          FROM unnest($1::text[], $2::uuid[]) AS n (service, id) JOIN quarantined AS q USING (service, id)
         WHERE q.event_type <> ''
        """,
        *columns([(name.service, name.id) for name in names], 2),
    )
    return {message.name: message for message in (Quarantined(**row) for row in rows)}


async def count(conn: Connection, limit: int) -> int:
    """How many messages are in quarantine; counts up to ``limit``."""
    counted: int = await conn.fetchval(
        "SELECT count(*) FROM (SELECT FROM quarantined WHERE outcome IS NULL LIMIT $1) AS kept", limit
    )
    return counted


async def ask(conn: Connection, names: Sequence[Name], action: Handling, by: str) -> list[tuple[Name, int]]:
    """Note what somebody wants done about messages, where nothing else is; those, with what they were told as."""
    rows = await conn.fetch(
        f"""
        WITH found AS (
        SELECT q.service, q.id
          FROM unnest($1::text[], $2::uuid[]) AS n (service, id) JOIN quarantined AS q USING (service, id)
         WHERE q.outcome IS NULL AND q.asked IS NULL
         ORDER BY q.service, q.id FOR UPDATE OF q),
        asked AS (
        UPDATE quarantined AS q SET asked = $3, asked_by = $4, asked_at = now(), refused_at = NULL
          FROM found AS f
         WHERE q.service = f.service AND q.id = f.id AND q.outcome IS NULL AND q.asked IS NULL
        RETURNING q.service, q.id, q.seq, q.event_type, q.asked, q.asked_by),
        {_NOTE_ASKED}
        SELECT service, id, seq FROM asked
        """,
        *columns([(name.service, name.id) for name in names], 2),
        action,
        by,
    )
    return [(Name(row["service"], row["id"]), row["seq"]) for row in rows]


async def forget(conn: Connection) -> None:
    """Delete what has left a week ago: nothing that was told before comes so late."""
    await conn.execute("DELETE FROM quarantined WHERE released_at < now() - interval '7 days' AND outcome IS NOT NULL")


def _place(message: MessageQuarantined | MessageReleased) -> tuple[str, UUID]:
    return message.service, message.message_id
