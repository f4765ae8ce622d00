"""Which event goes to which handler."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalResolved, Event, QuarantineHandle, RunCancel, WorkflowStart
from placet_executor.deps import Deps
from placet_executor.handlers.intake import on_run_cancel, on_workflow_start
from placet_executor.handlers.resolutions import on_approval_resolved
from placet_runtime.telling import on_quarantine_handle

HANDLERS: Mapping[type[Event], Callable[[Deps, Sequence[CloudEvent[Any]]], Awaitable[None]]] = {
    WorkflowStart: on_workflow_start,
    RunCancel: on_run_cancel,
    ApprovalResolved: on_approval_resolved,
    QuarantineHandle: on_quarantine_handle,
}
