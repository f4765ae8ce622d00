"""Statements on the approval service's tables: what the demo makes up, noted in the audit, and what it tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from placet_approval.store import audit
from placet_runtime.postgres import Connection, columns

_NOTE_RESOLVED = audit.noted(f"SELECT {audit.RESOLVED} FROM resolved")
_NOTE_CANCELLED = audit.noted(
    "SELECT json_build_object('kind', 'run.cancelled', 'run', id, 'by', cancelled_by) FROM cancelled"
)
_NOTE_VOTES = audit.noted(
    """SELECT json_build_object('kind', 'vote', 'approval', approval_id, 'vote', approval_id || '/' || position,
                                'verdict', verdict, 'by', actor, 'channel', channel, 'comment', comment)
         FROM cast_then"""
)


async def is_new(conn: Connection) -> bool:
    """Whether nothing has happened here yet: nothing is sealed, nobody known, nothing asked for."""
    new: bool = await conn.fetchval(
        """
        SELECT NOT EXISTS (SELECT FROM audit_seals) AND NOT EXISTS (SELECT FROM users)
               AND NOT EXISTS (SELECT FROM approvals) AND NOT EXISTS (SELECT FROM runs)
        """
    )
    return new


async def begin_earlier(conn: Connection, at: datetime) -> None:
    """Have the audit begin at another time, before anything is sealed: it covers what is made up as well."""
    await conn.execute("ALTER TABLE audit DISABLE TRIGGER audit_only_grows")
    await conn.execute("UPDATE audit SET at = $1 WHERE entries -> 0 ->> 'kind' = 'began'", at)
    await conn.execute("ALTER TABLE audit ENABLE TRIGGER audit_only_grows")


async def age_approvals(conn: Connection, ages: Sequence[tuple[UUID, timedelta]]) -> None:
    """Let approvals have been open for longer, with all that is to come while they are."""
    await conn.execute(
        """
        WITH aged AS (SELECT * FROM unnest($1::uuid[], $2::interval[]) AS a (id, age)),
        moved AS (UPDATE moments AS m SET due_at = m.due_at - aged.age FROM aged WHERE m.approval_id = aged.id),
        asked AS (UPDATE approvers AS p SET opened_at = p.opened_at - aged.age, expires_at = p.expires_at - aged.age
                    FROM aged WHERE p.approval_id = aged.id)
        UPDATE approvals AS a SET opened_at = a.opened_at - aged.age, expires_at = a.expires_at - aged.age
          FROM aged WHERE a.id = aged.id AND a.status = 'pending'
        """,
        *columns(ages, 2),
    )


async def age_runs(conn: Connection, ages: Sequence[tuple[str, timedelta]]) -> None:
    """Let runs have begun earlier, and have done earlier what they did."""
    await conn.execute(
        """
        WITH aged AS (SELECT * FROM unnest($1::text[], $2::interval[]) AS a (id, age)),
        done AS (UPDATE run_steps AS s SET started_at = s.started_at - aged.age, ended_at = s.ended_at - aged.age
                   FROM aged WHERE s.run_id = aged.id),
        again AS (UPDATE run_retries AS t SET at = t.at - aged.age FROM aged WHERE t.run_id = aged.id)
        UPDATE runs AS r
           SET created_at = r.created_at - aged.age, updated_at = r.updated_at - aged.age,
               ended_at = r.ended_at - aged.age
          FROM aged WHERE r.id = aged.id
        """,
        *columns(ages, 2),
    )


async def set_times(conn: Connection, opened: Sequence[tuple[UUID, datetime, datetime | None]]) -> None:
    """Let approvals have opened then, with these deadlines."""
    await conn.execute(
        """
        UPDATE approvals AS a SET opened_at = o.at, expires_at = o.until
          FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS o (id, at, until) WHERE a.id = o.id
        """,
        *columns(opened, 3),
    )


async def tell(conn: Connection, told: Sequence[tuple[UUID, str]]) -> None:
    """Let people have been told of approvals by e-mail, as they opened: (approval, address)."""
    await conn.execute(
        """
        WITH said AS (UPDATE approvals SET notified = true WHERE id = ANY ($2::uuid[]) AND status = 'pending')
        INSERT INTO deliveries (id, approval_id, run_id, channel, recipient, status, attempts, seq, changed_at)
        SELECT t.id, a.id, a.run_id, 'email', t.address, 'sent', 1, 1, a.opened_at + interval '2 seconds'
          FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS t (id, approval_id, address)
          JOIN approvals AS a ON a.id = t.approval_id
        """,
        *columns([(uuid7(), id, address) for id, address in told], 3),
    )


async def view(conn: Connection, views: Sequence[tuple[UUID, str, str, datetime]]) -> None:
    """Let people have opened pending approvals: (approval, subject, actor, when)."""
    await conn.execute(
        """
        WITH seen AS (UPDATE approvals SET viewed = true WHERE id = ANY ($1::uuid[]))
        INSERT INTO views (approval_id, subject, actor, at)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
        """,
        *columns(views, 4),
    )


async def add_steps(conn: Connection, steps: Sequence[tuple[str, str, datetime, datetime]]) -> None:
    """Let runs have done steps: (run, name, from when, until when)."""
    await conn.execute(
        """
        INSERT INTO run_steps (run_id, name, attempt, started_at, ended_at)
        SELECT s.run_id, s.name, 1, s.since, s.until
          FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS s (run_id, name, since, until)
        """,
        *columns(steps, 4),
    )


async def vote(conn: Connection, votes: Sequence[tuple[Any, ...]]) -> None:
    """Let people have voted: (approval, position, subject, actor, verdict, standing, channel, comment, when)."""
    await conn.execute(
        f"""
        WITH cast_then AS (
        INSERT INTO votes (approval_id, position, subject, actor, verdict, standing, channel, comment, at)
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::json[], $7::text[],
                             $8::text[], $9::timestamptz[])
        RETURNING approval_id, position, actor, verdict, channel, comment),
        {_NOTE_VOTES}
        SELECT FROM cast_then
        """,
        *columns(votes, 9),
    )


async def resolve(conn: Connection, ends: Sequence[tuple[Any, ...]]) -> None:
    """Let approvals have ended: (id, outcome, by whom, through which channel, comment, when)."""
    await conn.execute(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = e.outcome, resolved_by = e.actor, channel = e.channel, comment = e.comment, resolved_at = e.at
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
               AS e (id, outcome, actor, channel, comment, at)
         WHERE a.id = e.id
        RETURNING a.*),
        {_NOTE_RESOLVED}
        SELECT FROM resolved
        """,
        *columns(ends, 6),
    )


async def add_runs(conn: Connection, runs: Sequence[tuple[Any, ...]]) -> None:
    """Let there have been runs: (id, workflow, version, status, input, output, error, by whom, cancelled by, began,
    ended)."""
    await conn.execute(
        f"""
        WITH added AS (
        INSERT INTO runs (id, workflow, version, status, input, output, error, requested_by, cancelled_by, created_at,
                          ended_at, updated_at, seq)
        SELECT r.*, r.ended_at, 9
          FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::json[], $6::json[], $7::json[], $8::text[],
                      $9::text[], $10::timestamptz[], $11::timestamptz[])
               AS r (id, workflow, version, status, input, output, error, requested_by, cancelled_by, created_at,
                     ended_at)
        RETURNING id, cancelled_by),
        cancelled AS (SELECT * FROM added WHERE cancelled_by IS NOT NULL),
        {_NOTE_CANCELLED}
        SELECT FROM added
        """,
        *columns(runs, 11),
    )


@dataclass(frozen=True, slots=True)
class News:
    """Something that has happened, in words."""

    id: str
    at: datetime
    what: str
    text: str


async def now(conn: Connection) -> datetime:
    """The time by the database's clock."""
    at: datetime = await conn.fetchval("SELECT now()")
    return at


async def news(conn: Connection, since: datetime) -> list[News]:
    """Votes, ends of approvals and ends of runs since then, in order."""
    rows = await conn.fetch(
        """
        SELECT v.approval_id || '/' || v.position AS id, v.at,
               CASE v.verdict WHEN 'approve' THEN 'approved' ELSE 'rejected' END AS what, 1 AS turn,
               concat('“', a.title, '” by ', v.actor, ': “' || v.comment || '”') AS text
          FROM votes AS v JOIN approvals AS a ON a.id = v.approval_id WHERE v.at > $1
        UNION ALL
        SELECT a.id || ' ' || a.status, a.resolved_at, a.status, 2, concat('“', a.title, '”, by ', a.resolved_by)
          FROM approvals AS a WHERE a.resolved_at > $1 AND a.status IN ('expired', 'cancelled')
        UNION ALL
        SELECT r.id || ' ' || r.status, r.ended_at, r.status, 3,
               concat('run ', r.id, ': ', coalesce(r.output #>> '{}', r.error ->> 'message'))
          FROM runs AS r WHERE r.ended_at > $1
         ORDER BY at, turn
        """,
        since,
    )
    return [News(row["id"], row["at"], row["what"], row["text"].removesuffix(": ")) for row in rows]
