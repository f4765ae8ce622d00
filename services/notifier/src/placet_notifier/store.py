"""All SQL of the notifier. Destinations and payloads are ``json``: ``jsonb`` has no place for ``\\u0000``."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from asyncpg import Record

from placet_notifier.domain import Change, Claimed, Draft, Settlement, dump_destination, load_destination
from placet_runtime.postgres import Connection, Pool, columns


async def record(conn: Connection, drafts: Sequence[Draft]) -> list[Change]:
    """Record deliveries that are to be sent, and return those that were not known."""
    rows = [
        (
            draft.id,
            draft.notice.approval_id,
            draft.notice.run_id,
            draft.destination.type,
            dump_destination(draft.destination),
            draft.notice.model_dump_json(by_alias=True, exclude_none=True),
        )
        for draft in drafts
    ]
    found = await conn.fetch(
        """
        INSERT INTO deliveries AS d (id, approval_id, run_id, channel, destination, payload)
        SELECT n.id, n.approval_id, n.run_id, n.channel, n.destination, n.payload
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::json[], $6::json[])
            AS n (id, approval_id, run_id, channel, destination, payload)
         WHERE NOT EXISTS (SELECT FROM deleted_deliveries AS gone WHERE gone.id = n.id)
            ON CONFLICT (id) DO NOTHING
        RETURNING d.id, d.seq, d.run_id, d.approval_id, d.destination, d.status, d.attempts, d.error, now() AS at
        """,
        *columns(rows, 6),
    )
    return [_change(row) for row in found]


async def claim(conn: Connection | Pool, limit: int, token: UUID, lease: timedelta) -> list[Claimed]:
    """Lease deliveries that are due, the longest due first. Skips what others are claiming."""
    rows = await conn.fetch(
        """
        UPDATE deliveries AS d
           SET lease = $2, due_at = now() + $3::interval, attempts = d.attempts + 1
          FROM (SELECT id FROM deliveries
                 WHERE due_at <= now()
                 ORDER BY due_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS due
         WHERE d.id = due.id
        RETURNING d.id, d.channel, d.destination, d.payload, d.attempts AS attempt, d.lease, d.created_at
        """,
        limit,
        token,
        lease,
    )
    return [Claimed(**row) for row in rows]


async def settle(conn: Connection, settlements: Sequence[Settlement]) -> list[Change]:
    """End attempts whose lease is still held, and return what changed; of the others nothing does."""
    rows = [(s.delivery_id, s.lease, s.status, s.error, s.retry_in) for s in settlements]
    found = await conn.fetch(
        """
        UPDATE deliveries AS d
           SET status = s.status,
               seq = d.seq + 1,
               due_at = now() + s.retry_in,
               lease = NULL,
               error = s.error,
               payload = CASE WHEN s.status <> 'sent' THEN d.payload END,
               sent_at = CASE WHEN s.status = 'sent' THEN now() END
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::interval[])
            AS s (id, lease, status, error, retry_in)
         WHERE d.id = s.id AND d.lease = s.lease AND d.status IN ('pending', 'retrying')
        RETURNING d.id, d.seq, d.run_id, d.approval_id, d.destination, d.status, d.attempts, d.error, now() AS at
        """,
        *columns(rows, 5),
    )
    return [_change(row) for row in found]


async def count_due(conn: Connection | Pool) -> int:
    """How many deliveries wait to be tried now."""
    return int(await conn.fetchval("SELECT count(*) FROM deliveries WHERE due_at <= now()"))


def _change(row: Record) -> Change:
    return Change(**{**row, "destination": load_destination(row["destination"])})
