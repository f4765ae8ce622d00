"""Starts and cancellations. A repeat of one changes nothing."""

from collections.abc import Sequence

from pydantic_core import to_json
from uuid_utils.compat import uuid7

from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.digest import digest
from placet_contracts.events import MAX_INPUT, RunCancel, RunStarted, WorkflowStart
from placet_contracts.topology import producer
from placet_executor.deps import Deps
from placet_executor.domain import Change, Claimed, Start
from placet_executor.handlers.changes import changed, hint_others, interrupted
from placet_executor.store import runs
from placet_runtime import quarantine
from placet_runtime.consumer import Permanent
from placet_runtime.quarantine import Refused


async def on_workflow_start(deps: Deps, events: Sequence[CloudEvent[WorkflowStart]]) -> None:
    """Take runs in, and begin with them where a slot is free.

    The same event or run id starts one run; with another content it is refused, and kept.
    """
    starts = [_start(event) for event in events]
    asked: dict[tuple[str, str, str], tuple[Start, CloudEvent[WorkflowStart]]] = {}
    for start, event in zip(starts, events, strict=True):
        asked.setdefault((start.run_id, event.source, event.id), (start, event))  # of two in one batch, the first
    with deps.hands.room(len(starts)) as room:
        async with deps.outbox.transaction("take_in") as (conn, emit):
            taken = [
                (change, *asked[change.id, *event])
                for change, event in await runs.take_in(conn, starts, deps.offer(room))
            ]
            emit(
                changed(change, started=_started(change, event))
                for change, _, event in taken
                if change.status == "ready" or not _is_known(event)
            )
            await hint_others(deps, conn, [change for change, *_ in taken])
            if len(taken) < len(starts):
                by_id, by_event = await runs.digests(conn, starts)
                contradicting = [
                    Refused(WorkflowStart.type, reason, encode(event))
                    for start, event in zip(starts, events, strict=True)
                    if (reason := _contradiction(start, event.data.run_id, by_id, by_event)) is not None
                ]
                await quarantine.add(conn, "executor", contradicting)
        deps.hands.execute([_claimed(change, start) for change, start, _ in taken if change.status == "running"])
    if any(change.status == "ready" and not change.parked for change, *_ in taken):
        deps.hands.wake()


async def on_run_cancel(deps: Deps, events: Sequence[CloudEvent[RunCancel]]) -> None:
    """Cancel runs that have not ended.

    One that is not known yet is left alone: the approval service repeats the cancellation when it hears of the run.
    """
    async with deps.outbox.transaction() as (conn, emit):
        cancelled = await runs.cancel(conn, sorted({event.data.run_id for event in events}))
        emit(await interrupted(conn, cancelled))
    deps.hands.abandon([change.id for change in cancelled])


def _start(event: CloudEvent[WorkflowStart]) -> Start:
    data = event.data
    input = to_json(data.input)
    if len(input) > MAX_INPUT:
        raise Permanent(f"the input has {len(input)} bytes of JSON; at most {MAX_INPUT} are allowed")
    return Start(
        run_id=data.run_id or str(uuid7()),
        source=event.source,
        event_id=event.id,
        workflow=data.workflow,
        version=data.version,
        input=input.decode(),
        digest=digest({"workflow": data.workflow, "version": data.version, "input": data.input}),
        requested_by=data.requested_by,
    )


def _claimed(change: Change, start: Start) -> Claimed:
    assert change.version is not None
    return Claimed(
        id=change.id,
        fence=1,
        workflow=change.workflow,
        version=change.version,
        input=start.input,
        requested_by=start.requested_by,
        failures=0,
    )


def _is_known(event: CloudEvent[WorkflowStart]) -> bool:
    """Whether the approval service knows of a run before it is told: from the one who asked there."""
    return producer(event.source) == "approval"


def _started(change: Change, event: CloudEvent[WorkflowStart]) -> RunStarted | None:
    if _is_known(event):
        return None
    return RunStarted(input=event.data.input, requested_by=event.data.requested_by, created_at=change.updated_at)


def _contradiction(
    start: Start, run_id: str | None, by_id: dict[str, str], by_event: dict[tuple[str, str], tuple[str, str]]
) -> str | None:
    """Why a start is no repeat of the one that was taken; ``run_id`` is the one that it names, if it does."""
    if by_id.get(start.run_id, start.digest) != start.digest:
        return f"run {start.run_id!r} was started before with another workflow, version or input"
    taken_id, digest = by_event.get((start.source, start.event_id), (start.run_id, start.digest))
    if digest != start.digest:
        return f"event {start.event_id!r} of {start.source!r} came before with another workflow, version or input"
    if run_id not in (None, taken_id) and run_id not in by_id:
        return f"event {start.event_id!r} of {start.source!r} came before with another run id"
    return None
