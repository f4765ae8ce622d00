"""Statements on reminders and escalations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import TypeAdapter

from placet_contracts.destinations import Destination
from placet_runtime.postgres import Connection, columns

Kind = Literal["reminder", "escalation"]

_DESTINATIONS: TypeAdapter[list[Destination]] = TypeAdapter(list[Destination])


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that comes ``after`` seconds, if the approval is open still: further approvers, and who is told."""

    approval_id: UUID
    position: int
    kind: Kind
    source: str
    after: float
    approvers: tuple[str, ...] = ()
    destinations: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True)
class Coming:
    """A reminder or an escalation that is to come."""

    at: datetime
    kind: Kind
    source: str
    approvers: tuple[str, ...]


async def add(conn: Connection, moments: Sequence[Moment]) -> None:
    """Write down what is to come, counted from the transaction's time."""
    await conn.execute(
        """
        INSERT INTO moments (approval_id, position, kind, source, due_at, approvers, destinations)
        SELECT m.approval_id, m.position, m.kind, m.source, now() + make_interval(secs => m.after),
               ARRAY(SELECT json_array_elements_text(m.approvers)), m.destinations
          FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::float8[], $6::json[], $7::json[])
               AS m (approval_id, position, kind, source, after, approvers, destinations)
        """,
        *columns(
            [
                (
                    m.approval_id,
                    m.position,
                    m.kind,
                    m.source,
                    m.after,
                    TypeAdapter(list[str]).dump_json(list(m.approvers)).decode(),
                    _DESTINATIONS.dump_json(list(m.destinations), by_alias=True).decode(),
                )
                for m in moments
            ],
            7,
        ),
    )


async def claim(conn: Connection, limit: int) -> list[Moment]:
    """What is due, and done by this; it is nobody else's from now on."""
    rows = await conn.fetch(
        """
        UPDATE moments AS m
           SET done_at = now()
          FROM (SELECT approval_id, position FROM moments
                 WHERE done_at IS NULL AND due_at <= now()
                 ORDER BY due_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS due
         WHERE m.approval_id = due.approval_id AND m.position = due.position
        RETURNING m.approval_id, m.position, m.kind, m.source, m.approvers, m.destinations
        """,
        limit,
    )
    return [
        Moment(
            row["approval_id"],
            row["position"],
            row["kind"],
            row["source"],
            0,
            tuple(row["approvers"]),
            tuple(_DESTINATIONS.validate_json(row["destinations"])),
        )
        for row in sorted(rows, key=lambda row: (row["approval_id"], row["position"]))
    ]


async def coming(conn: Connection, approval_id: UUID) -> list[Coming]:
    """What is still to come for an approval, in order."""
    rows = await conn.fetch(
        """
        SELECT due_at, kind, source, approvers FROM moments
         WHERE approval_id = $1 AND done_at IS NULL ORDER BY due_at, position
        """,
        approval_id,
    )
    return [Coming(row["due_at"], row["kind"], row["source"], tuple(row["approvers"])) for row in rows]


async def drop(conn: Connection, approval_id: UUID) -> int:
    """Forget what is still to come for an approval; the first position that is free afterwards."""
    await conn.execute("DELETE FROM moments WHERE approval_id = $1 AND done_at IS NULL", approval_id)
    return int(
        await conn.fetchval("SELECT coalesce(max(position), -1) + 1 FROM moments WHERE approval_id = $1", approval_id)
    )
