"""Which event goes to which handler."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from placet_approval.deps import Deps
from placet_approval.handlers.quarantine import on_message_quarantined, on_message_released
from placet_approval.handlers.requests import on_approval_requested, on_delivery_changed, on_run_changed
from placet_approval.handlers.workflows import on_workflows_served
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import (
    ApprovalRequested,
    DeliveryChanged,
    Event,
    MessageQuarantined,
    MessageReleased,
    RunChanged,
    WorkflowsServed,
)

HANDLERS: Mapping[type[Event], Callable[[Deps, Sequence[CloudEvent[Any]]], Awaitable[None]]] = {
    ApprovalRequested: on_approval_requested,
    RunChanged: on_run_changed,
    DeliveryChanged: on_delivery_changed,
    WorkflowsServed: on_workflows_served,
    MessageQuarantined: on_message_quarantined,
    MessageReleased: on_message_released,
}
