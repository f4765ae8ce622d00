"""One pass of a run: claimed under a lease, its steps stored as they happen, its ending committed at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic_core import from_json
from uuid_utils.compat import uuid7

from placet.execution import Paused
from placet_contracts.destinations import Destination
from placet_contracts.digest import review_digest
from placet_contracts.events import MAX_STEPS, ApprovalRequested, NotificationRequested, RunChanged, StepDone
from placet_executor.deps import Deps
from placet_executor.domain import Change, Claimed, Ending, Gate, LeaseLost, Recorded
from placet_executor.handlers.changes import changed
from placet_executor.store import history, runs
from placet_runtime.postgres import Connection

Asked = tuple[str, int, str, str, str, Destination]  # run id, fence, key, workflow, message, destination


async def claim(deps: Deps, limit: int) -> list[Claimed]:
    """Take due runs, with all that their handlers need to go on."""
    async with deps.outbox.transaction("claim") as (conn, _):
        claimed = await runs.claim(conn, deps.offer(limit))
        return await with_history(conn, claimed)


async def with_history(conn: Connection, claimed: Sequence[Claimed]) -> list[Claimed]:
    """Claimed runs, with what they have behind them."""
    again = [run.id for run in claimed if run.fence > 1]
    if not again:
        return list(claimed)
    steps, approvals = await history.of_runs(conn, again)
    return [replace(run, steps=steps.get(run.id, {}), approvals=approvals.get(run.id, {})) for run in claimed]


async def record_steps(deps: Deps, recorded: Sequence[Recorded]) -> list[datetime | Exception]:
    """Store the results of steps, of many runs at a time; when it was. `LeaseLost` where a run is held no longer.

    A repeat by the same pass changes nothing.
    """
    async with deps.outbox.transaction("step") as (conn, _):
        stored = await history.add_steps(conn, recorded)
    return [stored.get((each.run_id, each.fence)) or LeaseLost(each.run_id) for each in recorded]


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
    async with deps.outbox.transaction("pause" if any(request for _, request in endings) else "finish") as (conn, emit):
        changes = await runs.end_passes(conn, [ending for ending, _ in latest.values()])
        paused = [(change.id, gate) for change in changes if (gate := latest[change.id][0].gate) is not None]
        if paused:
            await history.add_gates(conn, paused)
        # A pass that timed out may have left a step that it does not know of.
        raised = [change.id for change in changes if latest[change.id][0].failed]
        done = await history.steps_of(conn, raised, MAX_STEPS) if raised else {}
        emit(_told(change, *latest[change.id], done.get(change.id)) for change in changes)
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
        policy=interrupt.policy,
    )
    return Ending(run.id, run.fence, "paused", gate=gate), request


def _told(
    change: Change, ending: Ending, request: ApprovalRequested | None, done: Sequence[StepDone] | None
) -> ApprovalRequested | RunChanged:
    """The event that tells how a pass ended, and what it did; a request tells of the pause as well."""
    event = changed(change, steps=done or ending.steps)
    if request is None:
        return event
    news = {"seq": event.seq, "attempt": event.attempt, "at": event.at, "steps": event.steps}
    return request.model_copy(update=news)
