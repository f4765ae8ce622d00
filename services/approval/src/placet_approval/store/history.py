"""Statements on what runs did: their steps, and the passes that raised and were tried again."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from pydantic_core import from_json

from placet_approval.domain import Retry, Step
from placet_contracts.events import ApprovalRequested, RunChanged
from placet_runtime.postgres import Connection, columns

# Columns of what runs AS r did. As JSON: arrays of columns would take several sorts, for each run that is read.
DONE = """(SELECT json_agg(json_build_array(s.name, s.attempt, s.started_at, s.ended_at) ORDER BY s.started_at, s.name)
             FROM run_steps AS s WHERE s.run_id = r.id) AS steps,
          (SELECT json_agg(json_build_array(e.attempt, e.at, e.error::text) ORDER BY e.attempt)
             FROM run_retries AS e WHERE e.run_id = r.id) AS retries"""


async def add(conn: Connection, told: Sequence[RunChanged | ApprovalRequested]) -> None:
    """Write down what runs did, as far as it is news, whether these changes are stale or not.

    What belongs to a run that was deleted is left out.
    """
    steps = {(t.run_id, s.name): (t.run_id, s.name, s.attempt, s.started_at, s.ended_at) for t in told for s in t.steps}
    if steps:
        await conn.execute(
            """
            INSERT INTO run_steps (run_id, name, attempt, started_at, ended_at)
            SELECT s.*
              FROM unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[])
                   AS s (run_id, name, attempt, started_at, ended_at)
             WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = s.run_id)
            ON CONFLICT DO NOTHING
            """,
            *columns([steps[key] for key in sorted(steps)], 5),
        )
    retries = _retries([change for change in told if isinstance(change, RunChanged)])
    if retries:
        await conn.execute(
            """
            INSERT INTO run_retries AS r (run_id, attempt, at, error)
            SELECT e.run_id, e.attempt, e.at, e.error::json
              FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::text[]) AS e (run_id, attempt, at, error)
             WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = e.run_id)
            ON CONFLICT (run_id, attempt) DO UPDATE SET at = excluded.at WHERE excluded.at < r.at
            """,
            *columns(retries, 4),
        )


def steps_of(row: asyncpg.Record) -> tuple[Step, ...]:
    """The steps in a row with `DONE`, in the order in which they began."""
    return tuple(
        Step(name, attempt, datetime.fromisoformat(started_at), datetime.fromisoformat(ended_at))
        for name, attempt, started_at, ended_at in from_json(row["steps"] or "[]")
    )


def retries_of(row: asyncpg.Record) -> tuple[Retry, ...]:
    """The retries in such a row, by attempt."""
    return tuple(
        Retry(attempt, datetime.fromisoformat(at), error) for attempt, at, error in from_json(row["retries"] or "[]")
    )


def _retries(changes: Sequence[RunChanged]) -> list[tuple[str, int, datetime, str]]:
    """Once each, as it was told first: a run that waits or runs again goes on telling why it does."""
    found: dict[tuple[str, int], tuple[str, int, datetime, str]] = {}
    for change in sorted(changes, key=lambda change: change.seq, reverse=True):
        if change.error is not None and change.status in ("ready", "running") and change.attempt > 1:
            attempt = change.attempt - 1
            error = change.error.model_dump_json(by_alias=True)
            found[change.run_id, attempt] = (change.run_id, attempt, change.at, error)
    return [found[key] for key in sorted(found)]
