"""Reading runs and approvals, with all that is shown of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import Approval, ApprovalError, NotFound, Run, Status
from placet_approval.store import approvals as approval_store
from placet_approval.store import runs as run_store
from placet_approval.store import views, votes
from placet_contracts.events import RunStatus
from placet_runtime.postgres import Connection, planned_for_values


async def get_runs(deps: Deps, ids: Sequence[str]) -> list[Run | ApprovalError]:
    """Runs with their approvals, many at a time; `NotFound` for those that are not there."""
    async with deps.pool.acquire() as conn:
        found = await run_store.get(conn, ids)
    return [found.get(id) or NotFound("run", id) for id in ids]


async def list_runs(
    deps: Deps,
    *,
    workflow: str | None,
    status: RunStatus | None,
    parked: bool | None,
    after: tuple[datetime, str] | None,
    limit: int,
    text: str | None = None,
) -> Sequence[Run]:
    """A page of runs, the newest first, with their approvals.

    ``text``: a run's id, or else a part of it or of who asked for it, looked for in the newest `runs.SEARCHED` alone.
    """
    async with planned_for_values(deps.pool) as conn:
        if text and (found := await run_store.get(conn, [text])):
            return list(found.values()) if after is None else []
        return await run_store.page(
            conn, workflow=workflow, status=status, parked=parked, after=after, limit=limit, text=text or None
        )


async def get_approvals(deps: Deps, ids: Sequence[UUID]) -> list[Approval | ApprovalError]:
    """Approvals with what is known of their notifications, many at a time; `NotFound` for those that are not there."""
    async with deps.pool.acquire() as conn:
        found = {each.id: each for each in await complete(conn, (await approval_store.get(conn, ids)).values())}
    return [found.get(id) or NotFound("approval", id) for id in ids]


async def list_approvals(
    deps: Deps,
    *,
    status: Status | None,
    run_id: str | None,
    workflow: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Approval]:
    """A page of approvals, the newest first."""
    async with planned_for_values(deps.pool) as conn:
        found = await approval_store.page(
            conn, status=status, run_id=run_id, workflow=workflow, after=after, limit=limit
        )
        return await complete(conn, found)


async def complete(conn: Connection, found: Iterable[Approval]) -> list[Approval]:
    """Approvals with all that is known of them: deliveries, views, votes, changes."""
    found = list(found)
    told = [approval.id for approval in found if approval.notified]
    asked = [approval.id for approval in found if approval.terms is not None]
    viewed = [approval.id for approval in found if approval.viewed]
    deliveries = await approval_store.deliveries(conn, told) if told else {}
    seen = await views.of_approvals(conn, viewed) if viewed else {}
    given = await votes.of_approvals(conn, asked) if asked else {}
    changes = await votes.changes(conn, asked) if asked else {}
    return [
        replace(
            approval,
            deliveries=deliveries.get(approval.id, ()),
            views=seen.get(approval.id, ()),
            votes=given.get(approval.id, ()),
            changes=changes.get(approval.id, ()),
        )
        for approval in found
    ]
