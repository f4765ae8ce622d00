"""What the executor and the notifier tell: approvals asked for, runs that moved, deliveries that moved."""

from collections.abc import Sequence

from placet_approval.deps import Deps
from placet_approval.handlers import asking, opening
from placet_approval.handlers.resolving import count, resolved
from placet_approval.store import approvals, deliveries, history, moments, runs
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ENDED, ApprovalOpened, ApprovalRequested, DeliveryChanged, RunCancel, RunChanged


async def on_approval_requested(deps: Deps, events: Sequence[CloudEvent[ApprovalRequested]]) -> None:
    """Show runs as paused, and open the approvals that they ask for. A repeat of one opens nothing.

    What is asked on them is settled here, for good: a policy that changes later does not touch them by itself.
    """
    requests = {event.data.approval_id: event.data for event in events}
    async with deps.outbox.transaction("open") as (conn, emit):
        await runs.pause(conn, list(requests.values()))
        await history.add(conn, list(requests.values()))
        prepared = await opening.prepare(deps, conn, list(requests.values()))
        opened = await approvals.open_approvals(conn, [each.opening for each in prepared.values()])
        pending = [approval for approval in opened if approval.status == "pending"]
        if coming := [moment for approval in pending for moment in prepared[approval.id].moments]:
            await moments.add(conn, coming)
        await asking.follow(conn, pending)
        emit(
            ApprovalOpened(
                approval_id=approval.id,
                run_id=approval.run_id,
                workflow=approval.workflow,
                version=approval.version,
                gate=approval.gate,
                title=approval.title,
                message=approval.message,
                context=requests[approval.id].context,
                destinations=requests[approval.id].destinations,
                requested_by=approval.requested_by,
                opened_at=approval.opened_at,
                expires_at=approval.expires_at,
            )
            for approval in pending
            if approval.notified
        )
        ended = [approval for approval in opened if approval.status != "pending"]
        emit(resolved(deps, ended))
    count(ended)
    deps.changed(id for approval in opened for id in (approval.run_id, approval.id))


async def on_run_changed(deps: Deps, events: Sequence[CloudEvent[RunChanged]]) -> None:
    """Show runs as they are. A run that ended takes its pending approvals with it.

    A cancellation that the executor cannot have heard of, as it did not know the run, is repeated.
    """
    newest = {c.run_id: c for c in sorted((event.data for event in events), key=lambda change: change.seq)}
    async with deps.outbox.transaction() as (conn, emit):
        news = await runs.follow(conn, list(newest.values()))
        if any(event.data.started is not None for event in events):
            await runs.complete(conn, [event.data for event in events])
        await history.add(conn, [event.data for event in events])
        over = [(id, cancelled_by or "run") for id, status, cancelled_by in news if status in ENDED]
        cancelled = await approvals.cancel_of_runs(conn, over) if over else []
        emit(resolved(deps, cancelled))
        emit(
            RunCancel(run_id=id, cancelled_by=cancelled_by)
            for id, status, cancelled_by in news
            if cancelled_by is not None and status not in ENDED
        )
    count(cancelled)
    deps.changed(id for id, status, _ in news if status in ENDED or status == "paused")  # what is waited for
    deps.changed(approval.id for approval in cancelled)


async def on_delivery_changed(deps: Deps, events: Sequence[CloudEvent[DeliveryChanged]]) -> None:
    """Show deliveries as they are, in the timeline of their approval."""
    newest = {c.delivery_id: c for c in sorted((event.data for event in events), key=lambda change: change.seq)}
    async with deps.outbox.transaction() as (conn, _):
        await deliveries.follow(conn, list(newest.values()))
    deps.changed(change.approval_id for change in newest.values() if change.approval_id is not None)
