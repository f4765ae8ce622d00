"""What can be started: as executors tell of it, and as it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from placet_approval.catalogue import OpenRuns, Version, Workflow
from placet_approval.deps import Deps
from placet_approval.domain import NotFound
from placet_approval.store import workflows as store
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import WorkflowsServed
from placet_runtime.postgres import Connection, planned_for_values

SILENT_AFTER = timedelta(seconds=90)  # an executor speaks every half minute
_FORGOTTEN_AFTER = timedelta(days=1)  # longer than a message of one that is gone may be under way


async def on_workflows_served(deps: Deps, events: Sequence[CloudEvent[WorkflowsServed]]) -> None:
    """Note who serves what. A repeat, or what an executor had said before, changes nothing."""
    latest = {t.executor: t for t in sorted((event.data for event in events), key=lambda told: told.at)}
    async with deps.outbox.transaction() as (conn, _):
        news = await store.hear(conn, list(latest.values()))
        told = sorted((latest[executor] for executor in news), key=lambda each: each.at)
        served = {(workflow.name, workflow.version): workflow for each in told for workflow in each.workflows}
        if served:
            await store.see(conn, list(served.values()))
        await store.forget_silent(conn, _FORGOTTEN_AFTER)


async def list_workflows(deps: Deps) -> list[Workflow]:
    """All that anybody has ever served, and those that runs wait for; by name."""
    async with planned_for_values(deps.pool) as conn:
        return await _read(conn, None)


async def get_workflow(deps: Deps, name: str) -> Workflow:
    """One of them.

    Raises:
        NotFound: nobody has ever served it, and no run waits for it.
    """
    async with planned_for_values(deps.pool) as conn:
        found = await _read(conn, name)
    if not found:
        raise NotFound("workflow", name)
    return found[0]


async def list_known(deps: Deps, name: str | None = None) -> list[Workflow]:
    """Those that anybody has ever served, or one of them, by name. Their runs are not counted, as that takes longer."""
    async with planned_for_values(deps.pool) as conn:
        versions = await store.versions(conn, SILENT_AFTER, name)
    return [_workflow(each, versions[each], {}, has_runs=False) for each in sorted(versions)]


async def _read(conn: Connection, name: str | None) -> list[Workflow]:
    versions = await store.versions(conn, SILENT_AFTER, name)
    counts = await store.open_runs(conn, name)
    names = sorted(versions.keys() | counts.keys())
    with_runs = await store.with_runs(conn, names)
    return [_workflow(each, versions.get(each, ()), counts.get(each, {}), each in with_runs) for each in names]


def _workflow(
    name: str, versions: Sequence[Version], counts: Mapping[int | None, OpenRuns], has_runs: bool
) -> Workflow:
    counted = tuple(replace(each, runs=counts.get(each.version, OpenRuns())) for each in versions)
    return Workflow(name, counted, OpenRuns.sum(counts.values()), has_runs)
