"""Statements on workflows and on the executors that serve them, as these tell of it."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic_core import to_json

from placet_approval.catalogue import Executor, OpenRuns, Version
from placet_contracts.events import ServedWorkflow, WorkflowsServed
from placet_runtime.postgres import Connection, columns


async def hear(conn: Connection, told: Sequence[WorkflowsServed]) -> list[str]:
    """Note what executors serve, at most one word of each; the ids of those of whom it is news."""
    rows = await conn.fetch(
        """
        INSERT INTO workers AS w (id, serves, told_at)
        SELECT t.id, t.serves::json, t.told_at
          FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS t (id, serves, told_at)
         ORDER BY t.id
        ON CONFLICT (id) DO UPDATE
           SET serves = excluded.serves, told_at = excluded.told_at, heard_at = now()
         WHERE w.told_at < excluded.told_at
        RETURNING w.id
        """,
        *columns([(t.executor, _served(t), t.at) for t in told], 3),
    )
    return [row["id"] for row in rows]


async def see(conn: Connection, served: Sequence[ServedWorkflow]) -> None:
    """Note that these versions are served now, and what they are; each at most once."""
    await conn.execute(
        """
        INSERT INTO workflows AS w (name, version, description, input_schema)
        SELECT s.name, s.version, s.description, s.input_schema::json
          FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[])
               AS s (name, version, description, input_schema)
         ORDER BY s.name, s.version
        ON CONFLICT (name, version) DO UPDATE
           SET description = excluded.description, input_schema = excluded.input_schema, seen_at = now()
        """,
        *columns(
            [
                (w.name, w.version, w.description, None if w.input_schema is None else to_json(w.input_schema).decode())
                for w in served
            ],
            4,
        ),
    )


async def forget_silent(conn: Connection, after: timedelta) -> None:
    """Forget executors that have not been heard of for so long; another process has another id."""
    await conn.execute("DELETE FROM workers WHERE heard_at < now() - $1::interval", after)


async def versions(conn: Connection, silent: timedelta, name: str | None) -> dict[str, list[Version]]:
    """All versions of a workflow, or of all, by name, the highest first; without counts of runs.

    An executor that has been ``silent`` for so long is not alive.
    """
    rows = await conn.fetch(
        """
        SELECT w.name, w.version, w.description, w.input_schema, w.first_seen_at, w.seen_at, live.ids, live.heard
          FROM workflows AS w
          LEFT JOIN (SELECT s.name, s.version, array_agg(each.id ORDER BY each.id) AS ids,
                            array_agg(each.heard_at ORDER BY each.id) AS heard
                       FROM workers AS each
                      CROSS JOIN LATERAL json_to_recordset(each.serves) AS s (name text, version integer)
                      WHERE each.heard_at > now() - $1::interval
                      GROUP BY s.name, s.version) AS live
            ON live.name = w.name AND live.version = w.version
         WHERE $2::text IS NULL OR w.name = $2
         ORDER BY w.name, w.version DESC
        """,
        silent,
        name,
    )
    found: dict[str, list[Version]] = {}
    for of, version, description, input_schema, first_seen_at, seen_at, ids, heard in rows:
        executors = tuple(Executor(*facts) for facts in zip(ids or (), heard or (), strict=True))
        known = Version(version, description, input_schema, first_seen_at, seen_at, executors, OpenRuns())
        found.setdefault(of, []).append(known)
    return found


async def open_runs(conn: Connection, name: str | None) -> dict[str, dict[int | None, OpenRuns]]:
    """How many runs of a workflow, or of all, have not ended: by name and version, ``None`` for those without one."""
    rows = await conn.fetch(
        """
        SELECT workflow, version,
               count(*) FILTER (WHERE status = 'ready' AND NOT parked) AS ready,
               count(*) FILTER (WHERE status = 'running') AS running,
               count(*) FILTER (WHERE status = 'paused') AS paused,
               count(*) FILTER (WHERE parked) AS parked
          FROM runs
         WHERE status IN ('ready', 'running', 'paused') AND ($1::text IS NULL OR workflow = $1)
         GROUP BY workflow, version
        """,
        name,
    )
    found: dict[str, dict[int | None, OpenRuns]] = {}
    for workflow, version, *counts in rows:
        found.setdefault(workflow, {})[version] = OpenRuns(*counts)
    return found


async def with_runs(conn: Connection, names: Sequence[str]) -> set[str]:
    """Those of these workflows of which there is any run."""
    rows = await conn.fetch(
        """
        SELECT n.name FROM unnest($1::text[]) AS n (name)
         WHERE EXISTS (SELECT FROM runs WHERE runs.workflow = n.name)
        """,
        names,
    )
    return {row["name"] for row in rows}


def _served(told: WorkflowsServed) -> str:
    return to_json([{"name": each.name, "version": each.version} for each in told.workflows]).decode()
