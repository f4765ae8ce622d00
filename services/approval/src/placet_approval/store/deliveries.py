"""Statements on what the notifier tells of its deliveries."""

from collections.abc import Sequence

from placet_contracts.events import DeliveryChanged
from placet_runtime.postgres import Connection, columns


async def follow(conn: Connection, changes: Sequence[DeliveryChanged]) -> None:
    """Show deliveries as these changes tell of them, where they are news. At most one change of each delivery.

    What belongs to a run that was deleted is left out.
    """
    await conn.execute(
        """
        INSERT INTO deliveries AS d (id, approval_id, run_id, channel, recipient, status, attempts, error, seq,
                                     changed_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
                             $8::text[], $9::bigint[], $10::timestamptz[])
                      AS c (id, approval_id, run_id, channel, recipient, status, attempts, error, seq, changed_at)
         WHERE NOT EXISTS (SELECT FROM deleted_runs WHERE deleted_runs.id = c.run_id)
        ON CONFLICT (id) DO UPDATE
           SET status = excluded.status, attempts = excluded.attempts, error = excluded.error, seq = excluded.seq,
               changed_at = excluded.changed_at
         WHERE d.seq < excluded.seq
        """,
        *columns(
            [
                (
                    c.delivery_id,
                    c.approval_id,
                    c.run_id,
                    c.channel,
                    c.recipient,
                    c.status,
                    c.attempts,
                    c.error,
                    c.seq,
                    c.at,
                )
                for c in changes
            ],
            10,
        ),
    )
