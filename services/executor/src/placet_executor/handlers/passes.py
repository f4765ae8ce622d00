"""One pass of a run: claimed under a lease, its steps stored as they happen, its ending committed at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from uuid_utils.compat import uuid7

from placet.execution import Approval, Json, Paused
from placet_contracts.destinations import Destination
from placet_contracts.digest import review_digest
from placet_contracts.events import ApprovalRequested, NotificationRequested
from placet_executor.deps import Deps
from placet_executor.domain import Claimed, Ending, Gate, LeaseLost
from placet_executor.handlers.changes import changed
from placet_executor.store import history, runs

Recorded = tuple[str, int, str, Json]  # run id, fence, step, result
Asked = tuple[str, int, str, str, str, Destination]  # run id, fence, key, workflow, message, destination


async def claim(deps: Deps, limit: int) -> list[Claimed]:
    """Take due runs, with all that their handlers need to go on."""
    async with deps.outbox.transaction() as (conn, _):
        rows: list[dict[str, Any]] = await runs.claim(conn, deps.worker, deps.served, deps.lease, limit)
        again = [row["id"] for row in rows if row["fence"] > 1]
        steps = await history.steps(conn, again) if again else {}
        approvals = _approvals(await history.resolved_gates(conn, again)) if again else {}
    return [Claimed(**row, steps=steps.get(row["id"], {}), approvals=approvals.get(row["id"], {})) for row in rows]


async def record_steps(deps: Deps, recorded: Sequence[Recorded]) -> list[Exception | None]:
    """Store the results of steps, of many runs at a time. `LeaseLost` for those whose run is held no longer.

    A repeat by the same pass changes nothing.
    """
    async with deps.outbox.transaction() as (conn, _):
        held = await history.add_steps(conn, recorded)
    return [None if (run_id, fence) in held else LeaseLost(run_id) for run_id, fence, _, _ in recorded]


async def record_notifications(deps: Deps, asked: Sequence[Asked]) -> list[Exception | None]:
    """Have people told. A key that its run has used before tells nobody."""
    once = {(run_id, key): (workflow, message, to) for run_id, _, key, workflow, message, to in asked}
    async with deps.outbox.transaction() as (conn, emit):
        new = await history.add_notifications(conn, [(run_id, fence, key) for run_id, fence, key, *_ in asked])
        emit(
            NotificationRequested(
                notification_id=uuid7(), run_id=run_id, workflow=workflow, message=message, destination=destination
            )
            for (run_id, key), (workflow, message, destination) in once.items()
            if (run_id, key) in new
        )
    return [None] * len(asked)


async def end_passes(deps: Deps, endings: Sequence[tuple[Ending, ApprovalRequested | None]]) -> list[Exception | None]:
    """Commit how passes ended: state, gate, and the events that tell of it. `LeaseLost` where it is held no longer."""
    # A worker that had stalled may bring two passes of one run; only the later one can hold it.
    latest = {ending.run_id: (ending, request) for ending, request in sorted(endings, key=lambda e: e[0].fence)}
    async with deps.outbox.transaction() as (conn, emit):
        changes = await runs.end_passes(conn, [ending for ending, _ in latest.values()])
        paused = [(change.id, gate) for change in changes if (gate := latest[change.id][0].gate) is not None]
        if paused:
            await history.add_gates(conn, paused)
            emit(request for run_id, _ in paused if (request := latest[run_id][1]) is not None)
        emit(changed(change, approval_id=_approval_id(latest[change.id][0].gate)) for change in changes)
    ended = {(change.id, latest[change.id][0].fence) for change in changes}
    return [None if (e.run_id, e.fence) in ended else LeaseLost(e.run_id) for e, _ in endings]


def pause(run: Claimed, paused: Paused) -> tuple[Ending, ApprovalRequested]:
    """The ending of a pass that asks for approval, and the request. The digest is over all that is asked."""
    interrupt = paused.interrupt
    input = from_json(run.input)
    digest = review_digest(
        run_id=run.id,
        workflow=run.workflow,
        version=run.version,
        gate=interrupt.gate,
        title=interrupt.title,
        message=interrupt.message,
        context=interrupt.context,
        input=input,
    )
    gate = Gate(interrupt.gate, uuid7(), digest, interrupt.on_reject)
    request = ApprovalRequested(
        approval_id=gate.approval_id,
        run_id=run.id,
        workflow=run.workflow,
        version=run.version,
        gate=gate.name,
        title=interrupt.title,
        message=interrupt.message,
        context=interrupt.context,
        input=input,
        digest=digest,
        destinations=list(interrupt.destinations),
        expires_in=interrupt.expires_in,
        requested_by=run.requested_by,
    )
    return Ending(run.id, run.fence, "paused", gate=gate), request


def _approval_id(gate: Gate | None) -> UUID | None:
    return None if gate is None else gate.approval_id


def _approvals(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Approval]]:
    found: dict[str, dict[str, Approval]] = defaultdict(dict)
    for row in rows:
        found[row["run_id"]][row["gate"]] = Approval(
            gate=row["gate"],
            outcome=row["outcome"],
            resolved_by=row["resolved_by"],
            resolved_at=row["resolved_at"],
            comment=row["comment"],
            channel=row["channel"],
        )
    return found
