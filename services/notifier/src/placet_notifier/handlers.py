"""Use cases: one transaction each, many events or attempts at a time."""

from collections.abc import Sequence
from uuid import uuid4

from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalOpened, ApprovalReminded, DeliveryChanged, NotificationRequested
from placet_notifier import store
from placet_notifier.deps import Deps
from placet_notifier.domain import (
    Change,
    Claimed,
    Draft,
    Settlement,
    draft_of_notification,
    drafts_of_approval,
    drafts_of_reminder,
    recipient,
)


async def on_approval_opened(deps: Deps, events: Sequence[CloudEvent[ApprovalOpened]]) -> None:
    """Record a delivery for each destination. A repeat of an event records none."""
    await _record(deps, [draft for event in events for draft in drafts_of_approval(event.data)])


async def on_approval_reminded(deps: Deps, events: Sequence[CloudEvent[ApprovalReminded]]) -> None:
    """Record a delivery for each destination of each reminder. A repeat of an event records none."""
    await _record(deps, [draft for event in events for draft in drafts_of_reminder(event.data)])


async def on_notification_requested(deps: Deps, events: Sequence[CloudEvent[NotificationRequested]]) -> None:
    """Record a delivery for each notification. A repeat of an event records none."""
    await _record(deps, [draft_of_notification(event.data) for event in events])


async def _record(deps: Deps, drafts: Sequence[Draft]) -> None:
    async with deps.outbox.transaction("notify") as (conn, emit):
        recorded = await store.record(conn, drafts)
        emit(_changed(change) for change in recorded)
    if recorded:
        deps.wake.set()


async def claim(deps: Deps, limit: int) -> list[Claimed]:
    """Lease up to ``limit`` deliveries that are due. An attempt counts from here, whatever becomes of it."""
    return await store.claim(deps.pool, limit, uuid4(), deps.lease)


async def settle(deps: Deps, settlements: Sequence[Settlement]) -> list[bool]:
    """Commit how attempts ended; ``False`` for those whose lease has passed to another, which change nothing."""
    async with deps.outbox.transaction("deliver") as (conn, emit):
        changes = await store.settle(conn, settlements)
        emit(_changed(change) for change in changes)
    settled = {change.id for change in changes}
    return [settlement.delivery_id in settled for settlement in settlements]


def _changed(change: Change) -> DeliveryChanged:
    return DeliveryChanged(
        delivery_id=change.id,
        seq=change.seq,
        run_id=change.run_id,
        approval_id=change.approval_id,
        channel=change.destination.type,
        recipient=recipient(change.destination),
        status=change.status,
        attempts=change.attempts,
        error=change.error,
        at=change.at,
    )
