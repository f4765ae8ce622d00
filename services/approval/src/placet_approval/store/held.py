"""Statements on decisions that their makers can undo for a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from placet_approval.domain import Decision, Held, Status
from placet_runtime.postgres import Connection, columns

_COLUMNS = """h.id, h.approval_id, h.subject, h.actor, h.channel, h.verdict, h.comment, h.digest, h.revision, h.made_at,
              h.release_at, h.state, h.ended_at, h.outcome, h.refusal"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What one came to as it was released: the approval's status by it, or why it was refused."""

    id: UUID
    outcome: Status | None
    refusal: str | None


async def add(
    conn: Connection, holds: Sequence[tuple[UUID, str, Decision]], undo: timedelta, margin: timedelta
) -> list[Held]:
    """Hold decisions, (id, subject, decision), for some time, but not up to a deadline; those that were not held yet.

    ``margin``: before a deadline, in which nothing is held.
    """
    rows = await conn.fetch(
        f"""
        INSERT INTO held AS h (id, approval_id, subject, actor, channel, verdict, comment, digest, revision, release_at)
        SELECT d.id, d.approval_id, d.subject, d.actor, d.channel, d.verdict, d.comment, d.digest, d.revision,
               CASE WHEN a.expires_at IS NULL THEN now() + $10::interval
                    ELSE least(now() + $10::interval, greatest(now(), a.expires_at - $11::interval)) END
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                      $9::integer[])
               AS d (id, approval_id, subject, actor, channel, verdict, comment, digest, revision)
          JOIN approvals AS a ON a.id = d.approval_id
         ORDER BY d.approval_id
        ON CONFLICT (approval_id, subject) WHERE state = 'held' DO NOTHING
        RETURNING {_COLUMNS}
        """,
        *columns(
            [
                (id, d.approval_id, subject, d.actor, d.channel, d.verdict, d.comment, d.digest, d.revision)
                for id, subject, d in holds
            ],
            9,
        ),
        undo,
        margin,
    )
    return [Held(**row) for row in rows]


async def live(conn: Connection, approval_ids: Sequence[UUID]) -> list[Held]:
    """Those on these approvals that can be undone still, in the order in which they were made."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM held AS h
         WHERE h.approval_id = ANY ($1::uuid[]) AND h.state = 'held' ORDER BY h.made_at, h.id
        """,
        approval_ids,
    )
    return [Held(**row) for row in rows]


async def get(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """By id, whatever became of them."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM held AS h WHERE h.id = ANY ($1::uuid[])", ids)
    return {row["id"]: Held(**row) for row in rows}


async def of_maker(conn: Connection, subject: str, limit: int) -> list[Held]:
    """Somebody's that can be undone still, and those refused that they have not been told of, the newest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM held AS h
         WHERE h.subject = $1 AND h.state IN ('held', 'refused') AND NOT h.told
         ORDER BY h.made_at DESC, h.id DESC LIMIT $2
        """,
        subject,
        limit,
    )
    return [Held(**row) for row in rows]


async def undo(conn: Connection, ids: Sequence[UUID], subject: str) -> list[Held]:
    """Undo those of somebody's that were not released yet."""
    rows = await conn.fetch(
        f"""
        UPDATE held AS h SET state = 'undone', ended_at = now()
         WHERE h.id = ANY ($1::uuid[]) AND h.subject = $2 AND h.state = 'held'
        RETURNING {_COLUMNS}
        """,
        ids,
        subject,
    )
    return [Held(**row) for row in rows]


async def told(conn: Connection, ids: Sequence[UUID], subject: str) -> None:
    """Note that somebody has been told what became of theirs."""
    await conn.execute(
        "UPDATE held AS h SET told = true WHERE h.id = ANY ($1::uuid[]) AND h.subject = $2 AND h.state <> 'held'",
        ids,
        subject,
    )


async def claim(conn: Connection, limit: int) -> list[Held]:
    """Those that are due, the longest first, locked until the transaction ends; others skip them."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM held AS h
         WHERE h.state = 'held' AND h.release_at <= now() ORDER BY h.release_at LIMIT $1
           FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    return [Held(**row) for row in rows]


async def claim_these(conn: Connection, ids: Sequence[UUID]) -> list[Held]:
    """Those of these that are held, locked until the transaction ends; waits for who has them."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM held AS h WHERE h.id = ANY ($1::uuid[]) AND h.state = 'held' ORDER BY h.id FOR UPDATE",
        ids,
    )
    return [Held(**row) for row in rows]


async def end(conn: Connection, ends: Sequence[Ended]) -> list[Held]:
    """Write down what became of those that are locked."""
    rows = await conn.fetch(
        f"""
        UPDATE held AS h
           SET state = CASE WHEN e.outcome IS NULL THEN 'refused' ELSE 'released' END, ended_at = now(),
               outcome = e.outcome, refusal = e.refusal
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS e (id, outcome, refusal)
         WHERE h.id = e.id AND h.state = 'held'
        RETURNING {_COLUMNS}
        """,
        *columns([(each.id, each.outcome, each.refusal) for each in ends], 3),
    )
    return [Held(**row) for row in rows]


async def sweep(conn: Connection, keep: timedelta) -> None:
    """Delete what has ended so long ago."""
    await conn.execute("DELETE FROM held WHERE ended_at < now() - $1::interval", keep)
