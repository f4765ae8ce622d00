"""Statements on what a run has behind it: steps, notifications, gates."""

from collections.abc import Sequence

from placet.execution import Json
from placet_executor.domain import Gate, Resolution
from placet_runtime.postgres import Connection, columns


async def steps(conn: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, Json]]:
    """The stored results of runs, by run id and step name."""
    found: dict[str, dict[str, Json]] = {}
    for row in await conn.fetch("SELECT run_id, name, result FROM steps WHERE run_id = ANY ($1::text[])", run_ids):
        found.setdefault(row["run_id"], {})[row["name"]] = row["result"]
    return found


async def add_steps(conn: Connection, recorded: Sequence[tuple[str, int, str, Json]]) -> set[tuple[str, int]]:
    """Store results, (run id, fence, name, result), of runs that are still held; the (run id, fence) of those.

    The runs' rows are locked against a take-over, so that a stale pass cannot slip its step in behind one.
    """
    rows = await conn.fetch(
        """
        WITH held AS (
            SELECT r.id, r.fence FROM runs AS r
              JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::bigint[]) AS s (run_id, fence)) AS s
                ON r.id = s.run_id AND r.fence = s.fence AND r.status = 'running'
               FOR SHARE OF r),
        added AS (
            INSERT INTO steps (run_id, name, result)
            SELECT s.run_id, s.name, s.result::json
              FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS s (run_id, fence, name, result)
              JOIN held ON held.id = s.run_id AND held.fence = s.fence
            ON CONFLICT DO NOTHING)
        SELECT id, fence FROM held
        """,
        *columns(recorded, 4),
    )
    return {(row["id"], row["fence"]) for row in rows}


async def add_notifications(conn: Connection, asked: Sequence[tuple[str, int, str]]) -> set[tuple[str, str]]:
    """Remember notifications, (run id, fence, key), of runs that are still held; which are new."""
    rows = await conn.fetch(
        """
        INSERT INTO notifications (run_id, key)
        SELECT n.run_id, n.key
          FROM unnest($1::text[], $2::bigint[], $3::text[]) AS n (run_id, fence, key)
          JOIN runs AS r ON r.id = n.run_id AND r.fence = n.fence AND r.status = 'running'
        ON CONFLICT DO NOTHING
        RETURNING run_id, key
        """,
        *columns(asked, 3),
    )
    return {(row["run_id"], row["key"]) for row in rows}


async def add_gates(conn: Connection, gates: Sequence[tuple[str, Gate]]) -> None:
    """Write down the gates at which runs have paused."""
    await conn.execute(
        """
        INSERT INTO gates (run_id, gate, approval_id, digest, on_reject)
        SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[])
        """,
        *columns([(run_id, gate.name, gate.approval_id, gate.digest, gate.on_reject) for run_id, gate in gates], 5),
    )


async def resolved_gates(conn: Connection, run_ids: Sequence[str]) -> list[dict[str, object]]:
    """The gates of runs that have been resolved."""
    rows = await conn.fetch(
        """
        SELECT run_id, gate, outcome, resolved_by, resolved_at, comment, channel
          FROM gates
         WHERE run_id = ANY ($1::text[]) AND outcome IS NOT NULL
        """,
        run_ids,
    )
    return [dict(row) for row in rows]


async def resolve_gates(conn: Connection, resolutions: Sequence[Resolution]) -> dict[tuple[str, str], str]:
    """Resolve gates that are open and ask for just what was reviewed; ``on_reject`` by (run id, gate)."""
    rows = await conn.fetch(
        """
        UPDATE gates AS g
           SET outcome = s.outcome, resolved_by = s.resolved_by, resolved_at = s.resolved_at, channel = s.channel,
               comment = s.comment, receipt = s.receipt
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                      $8::text[], $9::text[], $10::text[])
               AS s (approval_id, run_id, gate, outcome, digest, resolved_by, resolved_at, channel, comment, receipt)
         WHERE g.approval_id = s.approval_id AND g.run_id = s.run_id AND g.gate = s.gate AND g.digest = s.digest
           AND g.outcome IS NULL
        RETURNING g.run_id, g.gate, g.on_reject
        """,
        *columns(
            [
                (
                    r.approval_id,
                    r.run_id,
                    r.gate,
                    r.outcome,
                    r.digest,
                    r.resolved_by,
                    r.resolved_at,
                    r.channel,
                    r.comment,
                    r.receipt,
                )
                for r in resolutions
            ],
            10,
        ),
    )
    return {(row["run_id"], row["gate"]): row["on_reject"] for row in rows}


async def outcomes(conn: Connection, resolutions: Sequence[Resolution]) -> dict[object, tuple[str, str | None]]:
    """Digest and outcome of the gates that these resolutions speak of, by approval id."""
    rows = await conn.fetch(
        "SELECT approval_id, digest, outcome FROM gates WHERE approval_id = ANY ($1::uuid[])",
        [resolution.approval_id for resolution in resolutions],
    )
    return {row["approval_id"]: (row["digest"], row["outcome"]) for row in rows}
