"""Statements on what a run has behind it: steps, notifications, gates."""

from collections.abc import Sequence
from datetime import datetime

from placet.execution import Approval, Json
from placet_contracts.events import StepDone
from placet_executor.domain import Change, Claimed, Gate, Offer, Recorded, Resolution, after_resolution, refusal
from placet_executor.store.runs import CHANGE, CHANGED, CLAIMED, taking
from placet_runtime.postgres import Connection, columns


async def of_runs(
    conn: Connection, run_ids: Sequence[str]
) -> tuple[dict[str, dict[str, Json]], dict[str, dict[str, Approval]]]:
    """What runs have behind them, by run id: stored results by step, and resolved gates by name."""
    steps: dict[str, dict[str, Json]] = {}
    approvals: dict[str, dict[str, Approval]] = {}
    rows = await conn.fetch(
        """
        SELECT run_id, name, result, NULL AS outcome, NULL AS resolved_by, NULL::timestamptz AS resolved_at,
               NULL AS comment, NULL AS channel
          FROM steps WHERE run_id = ANY ($1::text[])
         UNION ALL
        SELECT run_id, gate, NULL, outcome, resolved_by, resolved_at, comment, channel
          FROM gates WHERE run_id = ANY ($1::text[]) AND outcome IS NOT NULL
        """,
        run_ids,
    )
    for run_id, name, result, *resolution in rows:
        if result is not None:
            steps.setdefault(run_id, {})[name] = result
        else:
            approvals.setdefault(run_id, {})[name] = Approval(name, *resolution)
    return steps, approvals


async def steps_of(conn: Connection, run_ids: Sequence[str], limit: int) -> dict[str, list[StepDone]]:
    """What these runs have done, by run id: the last steps of each, as others are told of them."""
    rows = await conn.fetch(
        """
        SELECT r.id, s.name, s.attempt, s.started_at, s.created_at
          FROM unnest($1::text[]) AS r (id)
         CROSS JOIN LATERAL (SELECT name, attempt, coalesce(started_at, created_at) AS started_at, created_at
                               FROM steps WHERE run_id = r.id
                              ORDER BY created_at DESC LIMIT $2) AS s
         ORDER BY r.id, s.created_at
        """,
        run_ids,
        limit,
    )
    found: dict[str, list[StepDone]] = {}
    for id, name, attempt, started_at, ended_at in rows:
        done = StepDone(name=name, attempt=attempt, started_at=started_at, ended_at=ended_at)
        found.setdefault(id, []).append(done)
    return found


async def add_steps(conn: Connection, recorded: Sequence[Recorded]) -> dict[tuple[str, int], datetime]:
    """Store the results of runs that are still held; when it was, by the (run id, fence) of those.

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
            INSERT INTO steps (run_id, name, result, attempt, started_at)
            SELECT s.run_id, s.name, s.result::json, s.attempt, now() - s.took
              FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::interval[])
                   AS s (run_id, fence, name, result, attempt, took)
              JOIN held ON held.id = s.run_id AND held.fence = s.fence
            ON CONFLICT DO NOTHING)
        SELECT id, fence, now() AS at FROM held
        """,
        *columns([(r.run_id, r.fence, r.name, r.result, r.attempt, r.took) for r in recorded], 6),
    )
    return {(row["id"], row["fence"]): row["at"] for row in rows}


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


async def resolve_gates(
    conn: Connection, resolutions: Sequence[Resolution], offer: Offer
) -> tuple[set[tuple[str, str]], list[Change], list[Claimed]]:
    """Resolve gates that are open and ask for just what was reviewed, and move on the runs that are paused at them.

    Returns the (run id, gate) that were resolved; the runs that moved; and those that the worker has taken instead,
    as it offered: what these have behind them is not read. Those that wait for a slot go before runs that began later.
    """
    rows = await conn.fetch(
        f"""
        WITH resolved AS (
            UPDATE gates AS g
               SET outcome = s.outcome, resolved_by = s.resolved_by, resolved_at = s.resolved_at, channel = s.channel,
                   comment = s.comment, receipt = s.receipt
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                          $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
                   WITH ORDINALITY
                   AS s (approval_id, run_id, gate, outcome, digest, resolved_by, resolved_at, channel, comment,
                         receipt, if_reject, if_resume, error, place)
             WHERE g.approval_id = s.approval_id AND g.run_id = s.run_id AND g.gate = s.gate AND g.digest = s.digest
               AND g.outcome IS NULL
            RETURNING g.run_id, g.gate, CASE g.on_reject WHEN 'resume' THEN s.if_resume ELSE s.if_reject END AS status,
                      s.error, s.place),
        moved AS (
            UPDATE runs AS r
               SET status = CASE WHEN mine THEN 'running' ELSE m.status END, gate = NULL, due_at = r.created_at,
                   seq = r.seq + CASE WHEN mine THEN 0 ELSE 1 END, fence = r.fence + mine::integer,
                   worker = CASE WHEN mine THEN $14 END, lease_until = CASE WHEN mine THEN now() + $17::interval END,
                   announced = false, error = CASE WHEN m.status = 'rejected' THEN m.error::json END,
                   updated_at = now(), ended_at = CASE WHEN m.status <> 'ready' THEN now() END
              FROM (SELECT resolved.*, paused.id,
                           resolved.status = 'ready' AND place <= $18
                           AND (paused.workflow, paused.version) IN (SELECT * FROM unnest($15::text[], $16::int[]))
                           AS mine
                      FROM resolved
                      JOIN runs AS paused ON paused.id = resolved.run_id) AS m
             WHERE r.id = m.run_id AND r.gate = m.gate AND r.status = 'paused'
            RETURNING m.gate AS at_gate, {CHANGE}, r.fence, r.requested_by,
                      CASE WHEN r.status = 'running' THEN r.input END AS input)
        SELECT resolved.run_id, resolved.gate AS resolved, moved.*
          FROM resolved LEFT JOIN moved ON moved.id = resolved.run_id AND moved.at_gate = resolved.gate
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
                    after_resolution(r.outcome, "reject"),
                    after_resolution(r.outcome, "resume"),
                    refusal(r).model_dump_json(by_alias=True) if r.outcome != "approved" else None,
                )
                for r in sorted(resolutions, key=lambda resolution: resolution.run_id)
            ],
            13,
        ),
        *taking(offer),
    )
    resolved: set[tuple[str, str]] = set()
    moved: list[Change] = []
    claimed: list[Claimed] = []
    for row in rows:
        resolved.add((row["run_id"], row["resolved"]))
        if row["status"] == "running":
            claimed.append(Claimed(**{fact: row[fact] for fact in CLAIMED}))
        elif row["status"] is not None:
            moved.append(Change(**{fact: row[fact] for fact in CHANGED}))
    return resolved, moved, claimed


async def deleted(conn: Connection, run_ids: Sequence[str]) -> set[str]:
    """Those of these runs that ended long ago and were deleted."""
    rows = await conn.fetch("SELECT id FROM deleted_runs WHERE id = ANY ($1::text[])", run_ids)
    return {row["id"] for row in rows}


async def outcomes(conn: Connection, resolutions: Sequence[Resolution]) -> dict[object, tuple[str, str | None]]:
    """Digest and outcome of the gates that these resolutions speak of, by approval id."""
    rows = await conn.fetch(
        "SELECT approval_id, digest, outcome FROM gates WHERE approval_id = ANY ($1::uuid[])",
        [resolution.approval_id for resolution in resolutions],
    )
    return {row["approval_id"]: (row["digest"], row["outcome"]) for row in rows}
