"""Starting and cancelling runs over the API."""

from collections.abc import Sequence

from pydantic_core import from_json

from placet_approval.deps import Deps
from placet_approval.domain import (
    AlreadyEnded,
    ApprovalError,
    Caller,
    KeyReused,
    NotFound,
    Run,
    RunContradicted,
    RunDeleted,
    Start,
)
from placet_approval.handlers.resolving import count, resolved
from placet_approval.store import approvals
from placet_approval.store import runs as store
from placet_contracts.digest import canonical
from placet_contracts.events import ENDED, RunCancel, WorkflowStart


async def start(deps: Deps, starts: Sequence[Start]) -> list[Run | ApprovalError]:
    """Start runs, many at a time; for each the run, new or there already, or why it was refused.

    Committed, with the message that starts it, before this returns.
    """
    async with deps.outbox.transaction("start") as (conn, emit):
        new = {run.id: run for run in await store.start(conn, starts)}
        emit(
            WorkflowStart(
                workflow=run.workflow,
                version=run.version,
                run_id=run.id,
                input=None if run.input is None else from_json(run.input),
                requested_by=run.requested_by,
            )
            for run in new.values()
        )
        known: dict[str, Run] = {}
        keyed: dict[tuple[str, str], Run] = {}
        gone: set[str] = set()
        if len(new) < len(starts):
            known = await store.get(conn, [start.run_id for start in starts])
            keyed = await store.by_key(conn, starts)
            gone = await store.deleted(conn, [start.run_id for start in starts])
    return [
        RunDeleted(start.run_id)
        if start.run_id in gone and start.run_id not in known
        else _found(start, new.get(start.run_id), known, keyed)
        for start in starts
    ]


async def cancel(deps: Deps, run_id: str, by: Caller) -> Run:
    """Cancel a run; nothing that it asked for can be decided from now on.

    Raises:
        NotFound: there is no such run.
        AlreadyEnded: it has ended, and not by cancellation.
    """
    async with deps.outbox.transaction() as (conn, emit):
        accepted = await store.cancel(conn, [(run_id, by.actor)])
        cancelled = await approvals.cancel_of_runs(conn, [(run_id, by.actor)]) if accepted else []
        emit(resolved(deps, cancelled))
        emit(RunCancel(run_id=id, cancelled_by=by.actor) for id in accepted)
        run = (await store.get(conn, [run_id])).get(run_id)
    count(cancelled)
    deps.changed(approval.id for approval in cancelled)
    if run is None:
        raise NotFound("run", run_id)
    if run.status in ENDED and run.status != "cancelled":
        raise AlreadyEnded(run_id, run.status)
    return run


def _found(
    start: Start, new: Run | None, known: dict[str, Run], keyed: dict[tuple[str, str], Run]
) -> Run | ApprovalError:
    if start.idempotency_key is not None and (run := keyed.get((start.started_by, start.idempotency_key))) is not None:
        return run if _same(start, run) else KeyReused()
    run = new or known.get(start.run_id)
    if run is None or not _same(start, run):
        return RunContradicted(start.run_id)
    return run


def _same(start: Start, run: Run) -> bool:
    """Whether a start asks for what this run is. The version counts where both name one."""
    return (
        start.workflow == run.workflow
        and (start.version is None or run.version is None or start.version == run.version)
        and run.input is not None
        and canonical(from_json(start.input)) == canonical(from_json(run.input))
    )
