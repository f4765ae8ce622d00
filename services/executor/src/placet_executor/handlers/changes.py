"""How a transition is told to others."""

from collections.abc import Sequence

from pydantic_core import from_json

from placet_contracts.events import MAX_STEPS, RunChanged, RunError, RunStarted, StepDone
from placet_executor.deps import Deps
from placet_executor.domain import Change
from placet_executor.store import history
from placet_runtime.postgres import Connection

DUE = "placet_due"  # the channel on which executors hint each other at due runs


def changed(change: Change, *, started: RunStarted | None = None, steps: Sequence[StepDone] = ()) -> RunChanged:
    """The event that tells of a run's transition; ``steps`` are those of the pass that it ends."""
    return RunChanged(
        run_id=change.id,
        seq=change.seq,
        status=change.status,
        workflow=change.workflow,
        version=change.version,
        at=change.updated_at,
        attempt=max(change.failures, 1) if change.status == "failed" else change.failures + 1,
        gate=change.gate,
        parked=change.parked,
        output=None if change.output is None else from_json(change.output),
        error=None if change.error is None else RunError.model_validate_json(change.error),
        started=started,
        steps=list(steps[-MAX_STEPS:]),
    )


async def interrupted(conn: Connection, changes: Sequence[Change]) -> list[RunChanged]:
    """The events of transitions that took passes away from their workers: these cannot tell any more what they did."""
    done = await history.steps_of(conn, [change.id for change in changes], MAX_STEPS) if changes else {}
    return [changed(change, steps=done.get(change.id, ())) for change in changes]


async def hint_others(deps: Deps, conn: Connection, changes: Sequence[Change]) -> None:
    """Have other executors look for runs that became ready and that this one does not serve."""
    if any(c.status == "ready" and not c.parked and (c.workflow, c.version) not in deps.app.workflows for c in changes):
        await conn.execute("SELECT pg_notify($1, '')", DUE)
