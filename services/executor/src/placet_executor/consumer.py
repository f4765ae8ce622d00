"""Which event goes to which handler."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalResolved, Event, RunCancel, WorkflowStart
from placet_executor.deps import Deps
from placet_executor.handlers.intake import on_run_cancel, on_workflow_start
from placet_executor.handlers.resolutions import on_approval_resolved

HANDLERS: Mapping[type[Event], Callable[[Deps, Sequence[CloudEvent[Any]]], Awaitable[None]]] = {
    WorkflowStart: on_workflow_start,
    RunCancel: on_run_cancel,
    ApprovalResolved: on_approval_resolved,
}
