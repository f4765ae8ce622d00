"""Which event goes to which handler."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalOpened, ApprovalReminded, Event, NotificationRequested, QuarantineHandle
from placet_notifier.deps import Deps
from placet_notifier.handlers import on_approval_opened, on_approval_reminded, on_notification_requested
from placet_runtime.telling import on_quarantine_handle

HANDLERS: Mapping[type[Event], Callable[[Deps, Sequence[CloudEvent[Any]]], Awaitable[None]]] = {
    ApprovalOpened: on_approval_opened,
    ApprovalReminded: on_approval_reminded,
    NotificationRequested: on_notification_requested,
    QuarantineHandle: on_quarantine_handle,
}
