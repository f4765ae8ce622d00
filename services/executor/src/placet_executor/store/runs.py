"""Statements on runs: intake, claims, endings, leases.

Those that change many rows take them in the order of their ids, so that two at a time do not block each other for good.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from placet_executor.domain import MAX_LOST_LEASES, Change, Claimed, Ending, Offer, Start
from placet_runtime.postgres import Connection, columns

CHANGED = ("id", "seq", "status", "workflow", "version", "failures", "parked", "gate", "output", "error", "updated_at")
CHANGE = ", ".join(f"r.{column}" for column in CHANGED)
CLAIMED = ("id", "fence", "workflow", "version", "input", "requested_by", "failures")
_CLAIM = ", ".join(f"r.{column}" for column in CLAIMED)


async def take_in(conn: Connection, starts: Sequence[Start], offer: Offer) -> list[tuple[Change, tuple[str, str]]]:
    """Make runs of those starts whose run id and event are new; each with the (source, id) of the event it comes from.

    Of several with one run id the first is taken; one that was deleted since is not new. The worker's offer is taken
    up; a run that nobody serves is parked.
    """
    rows = await conn.fetch(
        f"""
        WITH latest AS (SELECT workflow, max(version) AS version FROM served GROUP BY workflow)
        INSERT INTO runs AS r (id, event_source, event_id, start_digest, workflow, version, input, requested_by,
                               status, fence, worker, lease_until, parked)
        SELECT s.id, s.source, s.event_id, s.digest, s.workflow, pinned.version, s.input::json, s.requested_by,
               CASE WHEN mine THEN 'running' ELSE 'ready' END, mine::integer, CASE WHEN mine THEN $9 END,
               CASE WHEN mine THEN now() + $12::interval END,
               NOT mine AND NOT EXISTS (SELECT FROM served
                                         WHERE served.workflow = s.workflow AND served.version = pinned.version)
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[])
               WITH ORDINALITY AS s (id, source, event_id, workflow, version, input, digest, requested_by, place)
          LEFT JOIN latest ON latest.workflow = s.workflow
         CROSS JOIN LATERAL (SELECT coalesce(s.version, latest.version) AS version) AS pinned
         CROSS JOIN LATERAL (
               SELECT s.place <= $13
                  AND (s.workflow, coalesce(pinned.version, 0)) IN (SELECT * FROM unnest($10::text[], $11::int[]))
              ) AS claim (mine)
         WHERE NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.id = s.id)
           AND NOT EXISTS (SELECT FROM deleted_runs AS d WHERE d.event_source = s.source AND d.event_id = s.event_id)
         ORDER BY s.id, s.place
        ON CONFLICT DO NOTHING
        RETURNING {CHANGE}, r.event_source, r.event_id
        """,
        *columns(
            [
                (s.run_id, s.source, s.event_id, s.workflow, s.version, s.input, s.digest, s.requested_by)
                for s in starts
            ],
            8,
        ),
        *taking(offer),
    )
    taken = []
    for row in rows:
        facts = dict(row)
        event = facts.pop("event_source"), facts.pop("event_id")
        taken.append((Change(**facts), event))
    return taken


async def digests(
    conn: Connection, starts: Sequence[Start]
) -> tuple[dict[str, str], dict[tuple[str, str], tuple[str, str]]]:
    """What was asked for by earlier starts with these run ids; and with these events, after the id of their run."""
    rows = await conn.fetch(
        """
        SELECT id, event_source, event_id, start_digest
          FROM runs
         WHERE id = ANY ($1::text[])
            OR (event_source, event_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
         UNION ALL
        SELECT id, event_source, event_id, start_digest
          FROM deleted_runs
         WHERE id = ANY ($1::text[])
            OR (event_source, event_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
        """,
        [start.run_id for start in starts],
        [start.source for start in starts],
        [start.event_id for start in starts],
    )
    by_id = {row["id"]: row["start_digest"] for row in rows}
    by_event = {(row["event_source"], row["event_id"]): (row["id"], row["start_digest"]) for row in rows}
    return by_id, by_event


async def claim(conn: Connection, offer: Offer) -> list[Claimed]:
    """Take due runs, the oldest first; what they have behind them is not read."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET status = 'running', fence = r.fence + 1, worker = $1, lease_until = now() + $4::interval,
               announced = false, updated_at = now()
          FROM (SELECT id FROM runs
                 WHERE status = 'ready' AND NOT parked AND due_at <= now()
                   AND (workflow, version) IN (SELECT * FROM unnest($2::text[], $3::integer[]))
                 ORDER BY due_at LIMIT $5
                   FOR UPDATE SKIP LOCKED) AS due
         WHERE r.id = due.id
        RETURNING {_CLAIM}
        """,
        *taking(offer),
    )
    return [Claimed(**row) for row in rows]


async def end_passes(conn: Connection, endings: Sequence[Ending]) -> list[Change]:
    """Move runs on whose lease is still the ender's; the others are left as they are, and not returned."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET status = e.status, seq = r.seq + 1, failures = r.failures + e.failed, gate = e.gate,
               output = e.output::json, error = e.error::json, due_at = now() + e.delay,
               lease_until = NULL, worker = NULL, updated_at = now(),
               ended_at = CASE WHEN e.status IN ('completed', 'failed') THEN now() END
          FROM unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
                      $8::interval[])
               AS e (id, fence, status, failed, gate, output, error, delay)
         WHERE r.id = e.id AND r.fence = e.fence AND r.status = 'running'
        RETURNING {CHANGE}
        """,
        *columns(
            [
                (e.run_id, e.fence, e.status, int(e.failed), e.gate and e.gate.name, e.output, e.error, e.delay)
                for e in sorted(endings, key=lambda ending: ending.run_id)
            ],
            8,
        ),
    )
    return [Change(**row) for row in rows]


async def cancel(conn: Connection, run_ids: Sequence[str]) -> list[Change]:
    """Cancel those runs that have not ended."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET status = 'cancelled', seq = r.seq + 1, gate = NULL, lease_until = NULL, worker = NULL, parked = false,
               error = NULL, updated_at = now(), ended_at = now()
         WHERE r.id = ANY ($1::text[]) AND r.status IN ('ready', 'running', 'paused')
        RETURNING {CHANGE}
        """,
        run_ids,
    )
    return [Change(**row) for row in rows]


async def renew(conn: Connection, held: Sequence[tuple[str, int]], lease: timedelta) -> list[str]:
    """Prolong leases; the ids of the runs that are still held."""
    rows = await conn.fetch(
        """
        UPDATE runs AS r
           SET lease_until = now() + $3::interval
          FROM unnest($1::text[], $2::bigint[]) AS h (id, fence)
         WHERE r.id = h.id AND r.fence = h.fence AND r.status = 'running'
        RETURNING r.id
        """,
        *columns(sorted(held), 2),
        lease,
    )
    return [row["id"] for row in rows]


async def announce(conn: Connection, held: Sequence[tuple[str, int]]) -> list[Change]:
    """Mark passes that have been running for a while as told of; those that were not yet."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET announced = true, seq = r.seq + 1, updated_at = now()
          FROM unnest($1::text[], $2::bigint[]) AS h (id, fence)
         WHERE r.id = h.id AND r.fence = h.fence AND r.status = 'running' AND NOT r.announced
        RETURNING {CHANGE}
        """,
        *columns(held, 2),
    )
    return [Change(**row) for row in rows]


async def release(conn: Connection, held: Sequence[tuple[str, int]]) -> list[Change]:
    """Give runs back that were not finished, without counting an attempt."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET status = 'ready', seq = r.seq + 1, lease_until = NULL, worker = NULL, due_at = now(), updated_at = now()
          FROM unnest($1::text[], $2::bigint[]) AS h (id, fence)
         WHERE r.id = h.id AND r.fence = h.fence AND r.status = 'running'
        RETURNING {CHANGE}
        """,
        *columns(held, 2),
    )
    return [Change(**row) for row in rows]


async def reap(conn: Connection, limit: int) -> list[Change]:
    """Free runs whose lease has run out. One that has lost too many seems to take its workers down: it fails."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET status = CASE WHEN r.lost_leases + 1 < $2 THEN 'ready' ELSE 'failed' END,
               error = CASE WHEN r.lost_leases + 1 < $2 THEN r.error
                            ELSE json_build_object('type', 'LeaseLost', 'message',
                                 format('its worker died or stalled %s times', $2), 'details', '[]'::json,
                                 'traceback', null) END,
               ended_at = CASE WHEN r.lost_leases + 1 < $2 THEN NULL ELSE now() END,
               lost_leases = r.lost_leases + 1, seq = r.seq + 1, lease_until = NULL, worker = NULL, due_at = now(),
               updated_at = now()
          FROM (SELECT id FROM runs
                 WHERE status = 'running' AND lease_until < now()
                 ORDER BY lease_until LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS lost
         WHERE r.id = lost.id
        RETURNING {CHANGE}
        """,
        limit,
        MAX_LOST_LEASES,
    )
    return [Change(**row) for row in rows]


async def park(conn: Connection, limit: int) -> list[Change]:
    """Park ready runs that no live executor serves."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET parked = true, seq = r.seq + 1, updated_at = now()
          FROM (SELECT id FROM runs AS waiting
                 WHERE status = 'ready' AND NOT parked
                   AND NOT EXISTS (SELECT FROM served
                                    WHERE served.workflow = waiting.workflow AND served.version = waiting.version)
                 ORDER BY due_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS unserved
         WHERE r.id = unserved.id
        RETURNING {CHANGE}
        """,
        limit,
    )
    return [Change(**row) for row in rows]


async def unpark(conn: Connection, limit: int) -> list[Change]:
    """Free parked runs that are served again; one that was started without a version gets the highest."""
    rows = await conn.fetch(
        f"""
        UPDATE runs AS r
           SET parked = false, version = freed.version, seq = r.seq + 1, updated_at = now()
          FROM (SELECT waiting.id, latest.version
                  FROM (SELECT workflow, version FROM served
                        UNION ALL
                        SELECT workflow, NULL FROM served) AS offered (workflow, version)
                  JOIN runs AS waiting ON waiting.parked AND waiting.workflow = offered.workflow
                                      AND waiting.version IS NOT DISTINCT FROM offered.version
                 CROSS JOIN LATERAL (SELECT coalesce(waiting.version, max(served.version)) AS version
                                       FROM served WHERE served.workflow = waiting.workflow) AS latest
                 LIMIT $1
                   FOR UPDATE OF waiting SKIP LOCKED) AS freed
         WHERE r.id = freed.id
        RETURNING {CHANGE}
        """,
        limit,
    )
    return [Change(**row) for row in rows]


async def counts(conn: Connection) -> dict[str, int]:
    """How many runs wait or run now, by state; and how many are parked. Ended ones are not counted."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM runs WHERE status = 'ready' AND NOT parked) AS ready,
               (SELECT count(*) FROM runs WHERE status = 'running') AS running,
               (SELECT count(*) FROM runs WHERE parked) AS parked
        """
    )
    return dict(row) if row else {}


def taking(offer: Offer) -> tuple[Any, ...]:
    """An offer as parameters: worker, workflows, versions, lease, room."""
    return (offer.worker, *columns(offer.served, 2), offer.lease, offer.room)
