"""Statements on runs, as far as they are known here."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg
from pydantic_core import to_json

from placet_approval.domain import Run, RunApproval, Start
from placet_approval.store import audit, history
from placet_approval.store.conditions import Conditions
from placet_contracts.events import ENDED, ApprovalRequested, RunChanged, RunStatus
from placet_runtime.postgres import Connection, columns

_COLUMNS = """r.id, r.workflow, r.version, r.status, r.attempt, r.parked, r.gate, r.input, r.output, r.error,
              r.requested_by, r.cancelled_by, r.created_at, r.updated_at, r.ended_at"""

_SHOWN = f"{_COLUMNS}, asked.ids, asked.gates, asked.statuses"

_ASKED = """
        CROSS JOIN LATERAL (SELECT array_agg(a.id ORDER BY a.opened_at, a.id) AS ids,
                                   array_agg(a.gate ORDER BY a.opened_at, a.id) AS gates,
                                   array_agg(a.status ORDER BY a.opened_at, a.id) AS statuses
                              FROM approvals AS a WHERE a.run_id = r.id) AS asked"""

_FULL = f"{_SHOWN} FROM runs AS r {_ASKED}"

SEARCHED = 10_000  # the newest runs, through which a text is looked for


_NOTE_CANCELLED = audit.noted(
    "SELECT json_build_object('kind', 'run.cancelled', 'run', id, 'by', cancelled_by) FROM cancelled WHERE news"
)


async def start(conn: Connection, starts: Sequence[Start]) -> list[Run]:
    """Write down runs that are new, by id and by idempotency key; one that was deleted is not new."""
    rows = await conn.fetch(
        f"""
        INSERT INTO runs AS r (id, workflow, version, status, input, requested_by, started_by, idempotency_key)
        SELECT s.id, s.workflow, s.version, 'ready', s.input::json, s.started_by, s.started_by, s.idempotency_key
          FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[])
               AS s (id, workflow, version, input, started_by, idempotency_key)
         WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = s.id)
        ON CONFLICT DO NOTHING
        RETURNING {_COLUMNS}
        """,
        *columns(
            [(s.run_id, s.workflow, s.version, s.input, s.started_by, s.idempotency_key) for s in starts],
            6,
        ),
    )
    return [Run(**row, steps=(), retries=()) for row in rows]


async def deleted(conn: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these runs that ended long ago and were deleted, or are about to be."""
    rows = await conn.fetch("SELECT id FROM deleted_runs WHERE id = ANY ($1::text[])", ids)
    return {row["id"] for row in rows}


async def by_key(conn: Connection, starts: Sequence[Start]) -> dict[tuple[str, str], Run]:
    """The runs that were started with these idempotency keys, with their approvals, by actor and key."""
    rows = await conn.fetch(
        f"""
        SELECT r.started_by, r.idempotency_key, {_FULL}
         WHERE (r.started_by, r.idempotency_key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        """,
        *columns([(s.started_by, s.idempotency_key) for s in starts if s.idempotency_key is not None], 2),
    )
    return {(row["started_by"], row["idempotency_key"]): _run(row) for row in rows}


async def get(conn: Connection, ids: Sequence[str]) -> dict[str, Run]:
    """Runs by id, with their approvals and all that they did."""
    rows = await conn.fetch(f"SELECT {history.DONE}, {_FULL} WHERE r.id = ANY ($1::text[])", ids)
    return {row["id"]: _with_history(row) for row in rows}


async def page(
    conn: Connection,
    *,
    workflow: str | None,
    status: RunStatus | None,
    parked: bool | None,
    after: tuple[datetime, str] | None,
    limit: int,
    text: str | None = None,
) -> list[Run]:
    """The newest first, with their approvals, from behind a place on.

    ``text``: a part of the id or of the requester, looked for in the newest `SEARCHED` of those that else fit.
    """
    conditions = Conditions()
    if status is not None:
        conditions.add("r.status = {}", status)
    if workflow is not None:
        conditions.add("r.workflow = {}", workflow)
    if parked is not None:
        conditions.add("r.parked" if parked else "NOT r.parked")
    source = "runs AS r"
    if text is not None:
        newest = f"SELECT r.* FROM runs AS r {conditions.where} ORDER BY r.created_at DESC, r.id DESC LIMIT {SEARCHED}"
        source, conditions = f"({newest}) AS r", Conditions(conditions.values)
        fold = "lower" if text.isascii() else "fold"  # which takes longer
        conditions.add(f"strpos({fold}(r.id || chr(10) || coalesce(r.requested_by, '')), {fold}({{}})) > 0", text)
    if after is not None:
        conditions.add("(r.created_at, r.id) < ({}, {})", *after)
    rows = await conn.fetch(
        f"""
        SELECT {_SHOWN}
          FROM {source} {_ASKED}
        {conditions.where}
         ORDER BY r.created_at DESC, r.id DESC LIMIT {int(limit)}
        """,
        *conditions.values,
    )
    return [_run(row) for row in rows]


async def count_waiting(conn: Connection, limit: int) -> int:
    """How many runs wait for their first pass, as far as is known here; counts up to ``limit``."""
    counted: int = await conn.fetchval(
        """
        SELECT count(*)
          FROM (SELECT FROM runs WHERE status = 'ready' AND attempt = 1 AND NOT parked LIMIT $1) AS waiting
        """,
        limit,
    )
    return counted


async def follow(conn: Connection, changes: Sequence[RunChanged]) -> list[tuple[str, RunStatus, str | None]]:
    """Show runs as these changes tell of them, where they are news; (id, status, cancelled by) of those.

    ``changes`` has at most one of each run. Where a run's id was taken by another start than the one that was asked
    for here, the run that there is is shown.
    """
    rows = await conn.fetch(
        """
        INSERT INTO runs AS r (id, workflow, version, status, seq, attempt, parked, gate, output, error, input,
                               requested_by, created_at, updated_at, ended_at)
        SELECT c.id, c.workflow, c.version, c.status, c.seq, c.attempt, c.parked, c.gate, c.output::json,
               c.error::json, c.input::json, c.requested_by, coalesce(c.created_at, c.at), c.at,
               CASE WHEN c.ended THEN c.at END
          FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::bigint[], $6::integer[], $7::boolean[],
                      $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[],
                      $14::timestamptz[], $15::boolean[])
               AS c (id, workflow, version, status, seq, attempt, parked, gate, output, error, input, requested_by,
                     created_at, at, ended)
         WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = c.id)
        ON CONFLICT (id) DO UPDATE
           SET workflow = excluded.workflow, version = excluded.version, status = excluded.status,
               seq = excluded.seq, attempt = excluded.attempt, parked = excluded.parked, gate = excluded.gate,
               output = excluded.output, error = excluded.error,
               input = CASE WHEN excluded.input IS NULL THEN r.input ELSE excluded.input END,
               requested_by = CASE WHEN excluded.input IS NULL THEN r.requested_by ELSE excluded.requested_by END,
               updated_at = excluded.updated_at, ended_at = excluded.ended_at
         WHERE r.seq < excluded.seq
        RETURNING r.id, r.status, r.cancelled_by
        """,
        *columns([_row(change) for change in sorted(changes, key=lambda change: change.run_id)], 15),
    )
    return [(row["id"], row["status"], row["cancelled_by"]) for row in rows]


async def pause(conn: Connection, requests: Sequence[ApprovalRequested]) -> None:
    """Show runs as paused, where that is news, and write down those that are heard of for the first time.

    Every one of them has a row afterwards, unless it was deleted; the row stays locked against a cancellation until the
    transaction ends.
    """
    await conn.execute(
        """
        INSERT INTO runs AS r (id, workflow, version, status, seq, attempt, gate, input, requested_by, updated_at)
        SELECT p.id, p.workflow, p.version, 'paused', p.seq, p.attempt, p.gate, p.input::json, p.requested_by,
               coalesce(p.at, now())
          FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::integer[], $6::text[], $7::text[],
                      $8::text[], $9::timestamptz[])
               AS p (id, workflow, version, seq, attempt, gate, input, requested_by, at)
         WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = p.id)
        ON CONFLICT (id) DO UPDATE
           SET workflow = excluded.workflow, version = excluded.version, status = 'paused', seq = excluded.seq,
               attempt = excluded.attempt, parked = false, gate = excluded.gate, error = NULL,
               updated_at = excluded.updated_at
         WHERE r.seq < excluded.seq
        """,
        *columns(
            [
                (r.run_id, r.workflow, r.version, r.seq, r.attempt, r.gate, _text(r.input), r.requested_by, r.at)
                for r in _last_of_each(requests)
            ],
            9,
        ),
    )


async def complete(conn: Connection, changes: Sequence[RunChanged]) -> None:
    """Add how runs began, where a later change was faster than the first, or another start than was asked for here."""
    rows = [
        (c.run_id, _text(c.started.input), c.started.requested_by, c.started.created_at)
        for c in changes
        if c.started is not None
    ]
    await conn.execute(
        """
        UPDATE runs AS r
           SET input = s.input::json, requested_by = s.requested_by, created_at = s.created_at
          FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS s (id, input, requested_by, created_at)
         WHERE r.id = s.id
           AND (r.input::text, r.requested_by, r.created_at) IS DISTINCT FROM (s.input, s.requested_by, s.created_at)
        """,
        *columns(rows, 4),
    )


async def cancel(conn: Connection, runs: Sequence[tuple[str, str]]) -> list[str]:
    """Note that these runs are to be cancelled, (id, by whom), where they have not ended; the ids of those."""
    rows = await conn.fetch(
        f"""
        WITH found AS (
        SELECT r.id, c.by, r.cancelled_by IS NULL AS news
          FROM unnest($1::text[], $2::text[]) AS c (id, by) JOIN runs AS r ON r.id = c.id
         WHERE r.ended_at IS NULL
           FOR UPDATE OF r),
        cancelled AS (
        UPDATE runs AS r
           SET cancelled_by = coalesce(r.cancelled_by, f.by)
          FROM found AS f
         WHERE r.id = f.id AND r.ended_at IS NULL
        RETURNING r.id, r.cancelled_by, f.news),
        {_NOTE_CANCELLED}
        SELECT id FROM cancelled
        """,
        *columns(runs, 2),
    )
    return [row["id"] for row in rows]


_FACTS = [column.strip().removeprefix("r.") for column in _COLUMNS.split(",")]


def _run(row: asyncpg.Record) -> Run:
    """A run out of the columns of `_FULL`, in the order in which its approvals opened."""
    asked = zip(row["ids"] or (), row["gates"] or (), row["statuses"] or (), strict=True)
    return Run(**{fact: row[fact] for fact in _FACTS}, approvals=tuple(RunApproval(*facts) for facts in asked))


def _with_history(row: asyncpg.Record) -> Run:
    return replace(_run(row), steps=history.steps_of(row), retries=history.retries_of(row))


def _row(change: RunChanged) -> tuple[Any, ...]:
    started = change.started
    return (
        change.run_id,
        change.workflow,
        change.version,
        change.status,
        change.seq,
        change.attempt,
        change.parked,
        change.gate,
        _text(change.output) if change.status == "completed" else None,
        None if change.error is None else change.error.model_dump_json(by_alias=True),
        None if started is None else _text(started.input),
        None if started is None else started.requested_by,
        None if started is None else started.created_at,
        change.at,
        change.status in ENDED,
    )


def _last_of_each(requests: Sequence[ApprovalRequested]) -> list[ApprovalRequested]:
    """The newest request of each run, in the order of their ids."""
    newest = {request.run_id: request for request in sorted(requests, key=lambda request: request.seq)}
    return [newest[run_id] for run_id in sorted(newest)]


def _text(value: Any) -> str:
    return to_json(value).decode()
