"""Statements on approvals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record
from pydantic import TypeAdapter
from pydantic_core import to_json

from placet_approval.domain import CLOCK, Approval, Decision, Delivery, Json, Past, Status
from placet_approval.policy.matching import Match
from placet_approval.policy.terms import Terms
from placet_approval.store import audit
from placet_approval.store.conditions import Conditions
from placet_contracts.destinations import Destination
from placet_contracts.events import ApprovalRequested, Outcome
from placet_contracts.policies import AuthorPolicy
from placet_runtime.postgres import Connection, columns

COLUMNS = """a.id, a.run_id, a.workflow, a.version, a.gate, a.status, a.title, a.message, a.context, a.input,
              a.digest, a.requested_by, a.notified, a.opened_at, a.expires_at, a.resolved_at, a.resolved_by,
              a.channel, a.comment, a.requester, a.terms, a.revision, a.on_deadline, a.viewed"""

_DESTINATIONS: TypeAdapter[list[Destination]] = TypeAdapter(list[Destination])

_NOTE_OPENED = audit.noted(
    f"""SELECT {audit.OPENED} FROM opened
        UNION ALL SELECT {audit.RESOLVED} FROM opened WHERE status <> 'pending'"""
)
_NOTE_RESOLVED = audit.noted(f"SELECT {audit.RESOLVED} FROM resolved")


@dataclass(frozen=True, slots=True)
class Opening:
    """An approval that is to open: what is asked for, and on which terms.

    ``expires_in`` counts in seconds; ``approved_by`` is the rule that approves it at once.
    """

    request: ApprovalRequested
    terms: Terms | None = None
    requester: str | None = None
    expires_in: float | None = None
    on_deadline: Outcome = "expired"

    @property
    def approved_by(self) -> str | None:
        return None if self.terms is None else self.terms.approved_by


async def open_approvals(conn: Connection, openings: Sequence[Opening]) -> list[Approval]:
    """Open what is asked for and was not opened before; one whose run is cancelled or has ended opens as cancelled,
    one that a rule approves as approved.

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
                                    requested_by, notified, expires_at, requester, asked, terms, on_deadline,
                                    destinations, status, resolved_at, resolved_by, channel)
        SELECT s.id, s.run_id, s.workflow, s.version, s.gate, s.title, s.message, s.context::json, s.input::json,
               s.digest, s.requested_by, s.notified, now() + make_interval(secs => s.expires_in), s.requester,
               s.asked::json, s.terms::json, s.on_deadline, s.destinations::json,
               CASE WHEN gone.id IS NOT NULL THEN 'cancelled' WHEN s.by IS NULL THEN 'pending' ELSE 'approved' END,
               CASE WHEN gone.id IS NOT NULL OR s.by IS NOT NULL THEN now() END, coalesce(gone.by, s.by),
               CASE WHEN gone.id IS NOT NULL THEN 'run' WHEN s.by IS NOT NULL THEN 'rule' END
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
                      $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::float8[], $14::text[],
                      $15::text[], $16::text[], $17::text[], $18::text[], $19::text[])
               AS s (id, run_id, workflow, version, gate, title, message, context, input, digest, requested_by,
                     notified, expires_in, requester, asked, terms, on_deadline, destinations, by)
          LEFT JOIN gone ON gone.id = s.run_id
         WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = s.run_id)
        ON CONFLICT DO NOTHING
        RETURNING {COLUMNS}),
        {_NOTE_OPENED}
        SELECT * FROM opened
        """,
        *columns([_row(opening) for opening in openings], 19),
    )
    return [of(row) for row in rows]


async def settle(conn: Connection, decisions: Sequence[Decision]) -> list[Approval]:
    """Resolve those pending approvals for which one approver is enough, by decisions on what they ask; at most one on
    each. Whoever asked for the run decides nothing.

    One that is past its deadline is resolved as expired: what a decider is told about it must stay true.
    """
    ordered = sorted(decisions, key=lambda decision: decision.approval_id)
    known = columns([(d.approval_id, d.outcome, d.actor, d.channel, d.comment, d.digest) for d in ordered], 6)
    about = columns([(d.subject, d.bootstrap) for d in ordered], 2)
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = CASE WHEN a.expires_at <= now() THEN 'expired' ELSE d.outcome END,
               resolved_by = CASE WHEN a.expires_at <= now() THEN $7 ELSE d.actor END, resolved_at = now(),
               channel = CASE WHEN a.expires_at <= now() THEN $7 ELSE d.channel END,
               comment = CASE WHEN a.expires_at <= now() THEN NULL ELSE d.comment END
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $8::text[], $9::boolean[])
               AS d (id, outcome, actor, channel, comment, digest, subject, bootstrap)
         WHERE a.id = d.id AND a.status = 'pending' AND a.terms IS NULL AND (d.digest IS NULL OR d.digest = a.digest)
           AND (d.bootstrap OR (a.requested_by IS DISTINCT FROM d.actor
                                AND (a.requester IS NULL OR a.requester <> d.subject)))
        RETURNING {COLUMNS}),
        {_NOTE_RESOLVED}
        SELECT * FROM resolved
        """,
        *known,
        CLOCK,
        *about,
    )
    return [of(row) for row in rows]


async def lock(conn: Connection, ids: Sequence[UUID]) -> list[tuple[Approval, bool]]:
    """Approvals, locked until the transaction ends, in the order of their ids; for each, whether its time is up."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS}, a.expires_at <= now() IS TRUE AS due
          FROM approvals AS a WHERE a.id = ANY ($1::uuid[]) ORDER BY a.id FOR UPDATE
        """,
        ids,
    )
    return [(of(row), row["due"]) for row in rows]


async def end(conn: Connection, ends: Sequence[tuple[UUID, Outcome, str, str, str | None]]) -> list[Approval]:
    """Resolve what is pending: (id, outcome, by whom, through which channel, comment). Its rows are locked."""
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = e.outcome, resolved_by = e.actor, resolved_at = now(), channel = e.channel, comment = e.comment
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
               AS e (id, outcome, actor, channel, comment)
         WHERE a.id = e.id AND a.status = 'pending'
        RETURNING {COLUMNS}),
        {_NOTE_RESOLVED}
        SELECT * FROM resolved
        """,
        *columns(ends, 5),
    )
    return [of(row) for row in rows]


async def set_terms(conn: Connection, changed: Sequence[tuple[UUID, Terms, int]]) -> list[Approval]:
    """Give pending approvals other terms: (id, terms, by how much the revision counts up). Their rows are locked."""
    rows = await conn.fetch(
        f"""
        UPDATE approvals AS a
           SET terms = c.terms::json, revision = a.revision + c.step
          FROM unnest($1::uuid[], $2::text[], $3::integer[]) AS c (id, terms, step)
         WHERE a.id = c.id AND a.status = 'pending'
        RETURNING {COLUMNS}
        """,
        *columns([(id, dump(terms), step) for id, terms, step in changed], 3),
    )
    return [of(row) for row in rows]


def dump(terms: Terms) -> str:
    """Terms as they are stored."""
    return terms.model_dump_json(by_alias=True, exclude_defaults=True)


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
    return [of(row) for row in rows]


async def expire(conn: Connection, limit: int) -> list[Approval]:
    """Resolve what is past its deadline as expired, or as rejected where it asks for that, by the database's clock."""
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
        UPDATE approvals AS a
           SET status = a.on_deadline, resolved_by = $2, resolved_at = now(), channel = $2
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
    return [of(row) for row in rows]


async def get(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Approval]:
    """Approvals by id."""
    rows = await conn.fetch(f"SELECT {COLUMNS} FROM approvals AS a WHERE a.id = ANY ($1::uuid[])", ids)
    return {row["id"]: of(row) for row in rows}


async def asked(conn: Connection, id: UUID) -> tuple[AuthorPolicy | None, Json]:
    """The author's policy, as it came, and the input that it is about."""
    row = await conn.fetchrow("SELECT asked, input FROM approvals WHERE id = $1", id)
    assert row is not None
    return None if row["asked"] is None else AuthorPolicy.model_validate_json(row["asked"]), row["input"]


async def destinations(conn: Connection, id: UUID) -> list[Destination]:
    """Who is told of an approval."""
    found = await conn.fetchval("SELECT destinations FROM approvals WHERE id = $1", id)
    return [] if found is None else _DESTINATIONS.validate_json(found)


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
    return [of(row) for row in rows]


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


def of(row: Record) -> Approval:
    """An approval out of `COLUMNS`."""
    facts = dict(row)
    facts.pop("due", None)
    terms = facts.pop("terms")
    return Approval(**facts, terms=None if terms is None else Terms.model_validate_json(terms))


def _row(opening: Opening) -> tuple[Any, ...]:
    request, terms = opening.request, opening.terms
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
        opening.expires_in,
        opening.requester,
        None if request.policy is None else request.policy.model_dump_json(by_alias=True, exclude_none=True),
        None if terms is None else dump(terms),
        opening.on_deadline,
        _DESTINATIONS.dump_json(request.destinations, by_alias=True).decode() if request.destinations else None,
        opening.approved_by,
    )


async def past(conn: Connection, policy: Match, limit: int) -> list[Past]:
    """Approvals that people or rules have decided on and that this is about, the newest first."""
    rows = await conn.fetch(
        """
        SELECT a.id, a.workflow, a.version, a.gate, a.status, a.input, a.asked, a.requested_by, a.resolved_by,
               a.opened_at
          FROM approvals AS a
         WHERE a.status IN ('approved', 'rejected') AND ($1::text IS NULL OR a.workflow = $1)
           AND ($2::integer IS NULL OR a.version = $2) AND ($3::text IS NULL OR a.gate = $3)
         ORDER BY a.opened_at DESC, a.id DESC LIMIT $4
        """,
        policy.workflow,
        policy.version,
        policy.gate,
        limit,
    )
    return [Past(**row) for row in rows]
