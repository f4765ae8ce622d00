"""Statements on approvals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from placet_approval.domain import CLOCK, Approval, Decision, Delivery, Status
from placet_approval.store import audit
from placet_approval.store.conditions import Conditions
from placet_contracts.events import ApprovalRequested
from placet_runtime.postgres import Connection, columns

COLUMNS = """a.id, a.run_id, a.workflow, a.version, a.gate, a.status, a.title, a.message, a.context, a.input,
              a.digest, a.requested_by, a.notified, a.opened_at, a.expires_at, a.resolved_at, a.resolved_by,
              a.channel, a.comment"""

_NOTE_OPENED = audit.noted(
    f"""SELECT {audit.OPENED} FROM opened
        UNION ALL SELECT {audit.RESOLVED} FROM opened WHERE status <> 'pending'"""
)
_NOTE_RESOLVED = audit.noted(f"SELECT {audit.RESOLVED} FROM resolved")


async def open_approvals(conn: Connection, requests: Sequence[ApprovalRequested]) -> list[Approval]:
    """Open what is asked for and was not opened before; one whose run is cancelled or has ended opens as cancelled.

    The runs' rows are there already, and locked against a cancellation at the same time. Nothing opens for one that was
    deleted.
    """
    rows = await conn.fetch(
        f"""
        WITH gone AS (
            SELECT id, coalesce(cancelled_by, 'run') AS by FROM runs
             WHERE id = ANY ($2::text[]) AND (cancelled_by IS NOT NULL OR ended_at IS NOT NULL)),
        opened AS (
        INSERT INTO approvals AS a (id, run_id, workflow, version, gate, title, message, context, input, digest,
                                    requested_by, notified, expires_at, status, resolved_at, resolved_by, channel)
        SELECT s.id, s.run_id, s.workflow, s.version, s.gate, s.title, s.message, s.context::json, s.input::json,
               s.digest, s.requested_by, s.notified, now() + make_interval(secs => s.expires_in),
               CASE WHEN gone.id IS NULL THEN 'pending' ELSE 'cancelled' END,
               CASE WHEN gone.id IS NOT NULL THEN now() END, gone.by,
               CASE WHEN gone.id IS NOT NULL THEN 'run' END
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
                      $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::float8[])
               AS s (id, run_id, workflow, version, gate, title, message, context, input, digest, requested_by,
                     notified, expires_in)
          LEFT JOIN gone ON gone.id = s.run_id
         WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = s.run_id)
        ON CONFLICT DO NOTHING
        RETURNING {COLUMNS}),
        {_NOTE_OPENED}
        SELECT * FROM opened
        """,
        *columns([_row(request) for request in requests], 13),
    )
    return [Approval(**row) for row in rows]


async def settle(conn: Connection, decisions: Sequence[Decision]) -> list[Approval]:
    """Resolve those approvals that are pending, by decisions on what the approval asks; at most one on each.

    One that is past its deadline is resolved as expired: what a decider is told about it must stay true.
    """
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = CASE WHEN a.expires_at <= now() THEN 'expired' ELSE d.outcome END,
               resolved_by = CASE WHEN a.expires_at <= now() THEN $7 ELSE d.actor END, resolved_at = now(),
               channel = CASE WHEN a.expires_at <= now() THEN $7 ELSE d.channel END,
               comment = CASE WHEN a.expires_at <= now() THEN NULL ELSE d.comment END
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
               AS d (id, outcome, actor, channel, comment, digest)
         WHERE a.id = d.id AND a.status = 'pending' AND (d.digest IS NULL OR d.digest = a.digest)
        RETURNING {COLUMNS}),
        {_NOTE_RESOLVED}
        SELECT * FROM resolved
        """,
        *columns(
            sorted(
                ((d.approval_id, d.outcome, d.actor, d.channel, d.comment, d.digest) for d in decisions),
                key=lambda row: row[0],
            ),
            6,
        ),
        CLOCK,
    )
    return [Approval(**row) for row in rows]


async def cancel_of_runs(conn: Connection, runs: Sequence[tuple[str, str]]) -> list[Approval]:
    """Cancel what is pending of these runs: (run id, by whom)."""
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = 'cancelled', resolved_by = c.by, resolved_at = now(), channel = 'run'
          FROM unnest($1::text[], $2::text[]) AS c (run_id, by)
         WHERE a.run_id = c.run_id AND a.status = 'pending'
        RETURNING {COLUMNS}),
        {_NOTE_RESOLVED}
        SELECT * FROM resolved
        """,
        *columns(runs, 2),
    )
    return [Approval(**row) for row in rows]


async def expire(conn: Connection, limit: int) -> list[Approval]:
    """Resolve as expired what is past its deadline, by the database's clock."""
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = 'expired', resolved_by = $2, resolved_at = now(), channel = $2
          FROM (SELECT id FROM approvals
                 WHERE status = 'pending' AND expires_at <= now()
                 ORDER BY expires_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS due
         WHERE a.id = due.id
        RETURNING {COLUMNS}),
        {_NOTE_RESOLVED}
        SELECT * FROM resolved
        """,
        limit,
        CLOCK,
    )
    return [Approval(**row) for row in rows]


async def get(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Approval]:
    """Approvals by id."""
    rows = await conn.fetch(f"SELECT {COLUMNS} FROM approvals AS a WHERE a.id = ANY ($1::uuid[])", ids)
    return {row["id"]: Approval(**row) for row in rows}


async def page(
    conn: Connection,
    *,
    status: Status | None,
    run_id: str | None,
    workflow: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Approval]:
    """The newest first, from behind a place on."""
    conditions = Conditions()
    if status is not None:
        conditions.add("a.status = {}", status)
    if run_id is not None:
        conditions.add("a.run_id = {}", run_id)
    if workflow is not None:
        conditions.add("a.workflow = {}", workflow)
    if after is not None:
        conditions.add("(a.opened_at, a.id) < ({}, {})", *after)
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM approvals AS a
        {conditions.where}
         ORDER BY a.opened_at DESC, a.id DESC LIMIT {int(limit)}
        """,
        *conditions.values,
    )
    return [Approval(**row) for row in rows]


async def deliveries(conn: Connection, approval_ids: Sequence[UUID]) -> dict[UUID, tuple[Delivery, ...]]:
    """What is known of the notifications about approvals."""
    found: dict[UUID, tuple[Delivery, ...]] = {}
    rows = await conn.fetch(
        """
        SELECT approval_id, channel, recipient, status, attempts, error, changed_at
          FROM deliveries WHERE approval_id = ANY ($1::uuid[]) ORDER BY changed_at, id
        """,
        approval_ids,
    )
    for row in rows:
        facts = dict(row)
        approval_id = facts.pop("approval_id")
        found[approval_id] = (*found.get(approval_id, ()), Delivery(**facts))
    return found


async def counts(conn: Connection) -> tuple[int, float]:
    """How many are pending, and the age of the oldest in seconds."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(opened_at)), 0)::float8 AS oldest
          FROM approvals WHERE status = 'pending'
        """
    )
    return (row["pending"], row["oldest"]) if row else (0, 0.0)


def _row(request: ApprovalRequested) -> tuple[Any, ...]:
    return (
        request.approval_id,
        request.run_id,
        request.workflow,
        request.version,
        request.gate,
        request.title,
        request.message,
        None if request.context is None else to_json(request.context).decode(),
        to_json(request.input).decode(),
        request.digest,
        request.requested_by,
        bool(request.destinations),
        request.expires_in,
    )
