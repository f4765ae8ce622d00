"""Bugs for the tests to find. Each is planted into a real service's process before it begins; the product has none."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

# Goes with ``read-then-write``, which a guard of the database would turn into an error.
UNGUARDED = "DROP TRIGGER approvals_resolution_is_final ON approval.approvals"


def plant(name: str) -> None:
    """Make this process have a bug.

    Raises:
        KeyError: there is none of that name.
    """
    BUGS[name]()


def ack_before_commit() -> None:
    """Tell broker and producer that a message is done with, and then do it."""
    from placet_contracts import cloudevents
    from placet_contracts.topology import producer
    from placet_runtime.consumer import Consumer
    from placet_runtime.outbox import row_id
    from placet_runtime.pump import Pump

    receive = Consumer._receive

    async def acknowledging(self: Any, type: str, bodies: Sequence[bytes]) -> None:
        rows: dict[Any, set[UUID]] = {}
        for value in (value for body in bodies for value in cloudevents.parse(body)):
            if (service := producer(value["source"])) is not None and (row := row_id(value["id"])) is not None:
                rows.setdefault(service, set()).add(row)
        for service, ids in rows.items():
            await self._bus.acknowledge(service, list(ids))
        await receive(self, type, bodies)

    async def run(self: Any) -> None:
        while not self._stopping.is_set():
            if not (batch := self._take([])):
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        batch = [await self._messages.get()]
            if batch:
                await self._settle(batch)
                with suppress(Exception):  # they are settled already
                    await self._receive([self._body(message) for message in batch])

    Consumer._receive = acknowledging  # type: ignore[method-assign]
    Pump._run = run  # type: ignore[method-assign]


def no_outbox() -> None:
    """Publish after the commit, from memory alone."""
    from placet_runtime.outbox import Outbox

    transaction = Outbox.transaction

    @asynccontextmanager
    async def forgetful(self: Any, of: str = "") -> AsyncIterator[Any]:
        emitted: list[Any] = []
        async with transaction(self, of) as (conn, _):
            yield conn, emitted.extend
        self._offered.add(list(self._rows(emitted)))

    Outbox.transaction = forgetful  # type: ignore[method-assign]


def read_then_write() -> None:
    """Look whether an approval is pending, and then resolve it whatever it has become."""
    from placet_approval.store import approvals

    async def settle(conn: Any, decisions: Sequence[Any]) -> list[Any]:
        pending = [d for d in decisions if (found := await approvals.get(conn, [d.approval_id])) and _pending(found)]
        for decision in pending:
            await conn.execute(
                "UPDATE approvals SET status = $2, resolved_by = $3, resolved_at = now(), channel = $4 WHERE id = $1",
                decision.approval_id,
                decision.outcome,
                decision.actor,
                decision.channel,
            )
        return list((await approvals.get(conn, [decision.approval_id for decision in pending])).values())

    def _pending(found: dict[UUID, Any]) -> bool:
        return all(approval.status == "pending" for approval in found.values())

    approvals.settle = settle


def no_fence() -> None:
    """Commit what a pass did for whoever holds its run by then."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from placet_executor.store import history, runs

    add_steps, end_passes = history.add_steps, runs.end_passes

    async def unfenced_steps(conn: Any, recorded: Sequence[Any]) -> Any:
        fences = await _fences(conn, [step.run_id for step in recorded])
        await add_steps(conn, [replace(step, fence=fences.get(step.run_id, step.fence)) for step in recorded])
        return {(step.run_id, step.fence): datetime.now(UTC) for step in recorded}

    async def unfenced_ends(conn: Any, endings: Sequence[Any]) -> Any:
        fences = await _fences(conn, [ending.run_id for ending in endings])
        return await end_passes(conn, [replace(e, fence=fences.get(e.run_id, e.fence)) for e in endings])

    async def _fences(conn: Any, ids: list[str]) -> dict[str, int]:
        rows = await conn.fetch("SELECT id, fence FROM runs WHERE id = ANY ($1::text[])", ids)
        return {row["id"]: row["fence"] for row in rows}

    history.add_steps = unfenced_steps
    runs.end_passes = unfenced_ends


def no_reconciler() -> None:
    """Leave to the dead what the dead held, and to the broker what it has lost."""
    from placet_executor.handlers import leases
    from placet_runtime.outbox import Outbox

    async def nothing(*_: object) -> None:
        """As if it were not there."""

    leases.reconcile = nothing  # type: ignore[assignment]
    Outbox.sweep = nothing  # type: ignore[method-assign, assignment]


BUGS: dict[str, Callable[[], None]] = {
    "ack-before-commit": ack_before_commit,
    "no-outbox": no_outbox,
    "read-then-write": read_then_write,
    "no-fence": no_fence,
    "no-reconciler": no_reconciler,
}
