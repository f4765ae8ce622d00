"""The facts that services tell each other. One class an event and version; additive changes keep the version."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from placet_contracts.base import Model
from placet_contracts.destinations import Destination
from placet_contracts.policies import AuthorPolicy

RunStatus = Literal["ready", "running", "paused", "completed", "failed", "rejected", "cancelled"]
Ended = Literal["completed", "failed", "rejected", "cancelled"]
Outcome = Literal["approved", "rejected", "expired", "cancelled"]
OnReject = Literal["reject", "resume"]
DeliveryStatus = Literal["pending", "retrying", "sent", "failed"]
Handling = Literal["replay", "discard"]

ENDED: frozenset[RunStatus] = frozenset({"completed", "failed", "rejected", "cancelled"})

RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]*$", max_length=200)]
WorkflowName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
GateName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=100)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]

MAX_DEPTH = 100
MAX_INPUT = 2 * 1024 * 1024  # bytes of a run's input as JSON
MAX_RESULT = 1024 * 1024  # bytes of an output as JSON, and of what an approval shows beside the input
MAX_STEPS = 1000  # that one change tells of; what a pass did beyond that is not told


def shallow(value: Any) -> Any:
    """The value, if it is not nested deeper than `MAX_DEPTH`.

    Raises:
        ValueError: it is.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return value
    if any(isinstance(inner, dict | list) for inner in level):
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    return value


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


# A run's input: JSON that stays readable in whatever events it is put into; parsers give up at 200 levels.
Input = Annotated[Any, AfterValidator(shallow)]


class Event(Model):
    """The data of a CloudEvent; its type is the routing key and carries the version."""

    type: ClassVar[str]


class RunError(Model):
    """Why a run ended without a result, or why its last attempt raised.

    ``details`` holds field errors as pydantic lists them, where the input did not fit; else it is empty.
    ``traceback`` is where the handler raised, of the exceptions that led there too: the last 16 KiB of it.
    """

    type: str
    message: str
    details: list[dict[str, Any]] = Field(default_factory=list)
    traceback: str | None = None  # None: the handler did not raise


class StepDone(Model):
    """A step that a run has behind it, without its result. ``attempt`` is that of the pass that did it."""

    name: str
    attempt: int = 1
    started_at: datetime
    ended_at: datetime


class WorkflowStart(Event):
    """Asks for a run. Anybody may publish it; unknown fields are refused, so that a misspelt one is seen."""

    type: ClassVar[str] = "workflow.start.v1"
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    workflow: WorkflowName
    version: Version | None = None  # None: the highest registered one
    run_id: RunId | None = None  # None: made by the executor
    input: Input = None
    requested_by: str | None = Field(default=None, max_length=200)


class RunCancel(Event):
    """Asks the executor to cancel a run. No effect on one that has ended."""

    type: ClassVar[str] = "run.cancel.v1"

    run_id: str
    cancelled_by: str


class RunStarted(Model):
    """How a run began. Sent once, with the run's first change."""

    input: Any
    requested_by: str | None
    created_at: datetime


class RunChanged(Event):
    """A run moved to another state. ``seq`` grows with each change of one run; a stale one is to be ignored.

    ``steps`` are those that it did since the change before, and perhaps earlier ones; they count in a stale one too.
    While it is ready or running, ``error`` is why the attempt before this one raised.
    """

    type: ClassVar[str] = "run.changed.v1"

    run_id: str
    seq: int
    status: RunStatus
    workflow: str
    version: int | None
    at: datetime
    attempt: int = 1
    gate: str | None = None  # where it is paused
    approval_id: UUID | None = None
    parked: bool = False  # ready, and no live executor serves its workflow and version
    output: Any = None
    error: RunError | None = None
    started: RunStarted | None = None
    steps: list[StepDone] = Field(default_factory=list)


class ApprovalRequested(Event):
    """A run paused at a gate and asks for a decision. Tells of the pause, too: ``seq``, ``attempt``, ``at``."""

    type: ClassVar[str] = "approval.requested.v1"

    approval_id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    title: str | None = None
    message: str | None = None
    context: Any = None
    input: Any = None
    digest: str  # of what the decider is shown: see `placet_contracts.digest`
    destinations: list[Destination] = Field(default_factory=list)
    expires_in: float | None = None  # seconds, counted from the moment the approval opens
    requested_by: str | None = None
    policy: AuthorPolicy | None = None  # None: one person out of all who have the role approver
    seq: int = 0  # of the run, as in `RunChanged`; 0: the pause is told by a `RunChanged` of its own
    attempt: int = 1
    at: datetime | None = None
    steps: list[StepDone] = Field(default_factory=list)  # as in `RunChanged`


class ApprovalOpened(Event):
    """An approval waits for a decision, and its destinations are to be told. Sent where there are any."""

    type: ClassVar[str] = "approval.opened.v1"

    approval_id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    title: str | None = None
    message: str | None = None
    context: Any = None
    destinations: list[Destination]
    requested_by: str | None = None
    opened_at: datetime
    expires_at: datetime | None = None


class ApprovalReminded(ApprovalOpened):
    """An approval still waits, and these destinations are to be told: again, or as further people may decide.

    Sent once for each ``number`` of an approval.
    """

    type: ClassVar[str] = "approval.reminded.v1"

    number: int
    kind: Literal["reminder", "escalation"]


class ApprovalResolved(Event):
    """An approval ended, by a person's decision, by the clock or by a cancelled run. Sent once per approval."""

    type: ClassVar[str] = "approval.resolved.v1"

    approval_id: UUID
    run_id: str
    gate: str
    outcome: Outcome
    digest: str
    resolved_by: str
    resolved_at: datetime
    channel: str
    comment: str | None = None
    receipt: str  # compact JWS over the above and the digest of what was reviewed


class NotificationRequested(Event):
    """A handler tells somebody, without pausing."""

    type: ClassVar[str] = "notification.requested.v1"

    notification_id: UUID
    run_id: str
    workflow: str
    message: str
    destination: Destination


class DeliveryChanged(Event):
    """A notification's delivery moved on. ``seq`` grows with each change of one delivery."""

    type: ClassVar[str] = "delivery.changed.v1"

    delivery_id: UUID
    seq: int
    run_id: str
    approval_id: UUID | None  # None: a notification that asks for nothing
    channel: str
    recipient: str
    status: DeliveryStatus
    attempts: int
    error: str | None = None
    at: datetime


class ServedWorkflow(Model):
    """A version of a workflow, as the app that an executor serves has it."""

    name: str
    version: int
    description: str | None = None  # the first paragraph of what its handler's docstring says
    input_schema: dict[str, Any] | None = None  # JSON Schema; None: any input, or one that is too large to be told


class WorkflowsServed(Event):
    """An executor lives, and serves these workflows; with none of them, it is gone.

    Sent when it begins, every half minute, and when it ends. Of one executor, only the latest by ``at`` counts.
    """

    type: ClassVar[str] = "workflows.served.v1"

    executor: str  # names one process
    at: datetime
    workflows: list[ServedWorkflow]


class MessageQuarantined(Event):
    """A service keeps a message that it could not take in, or has refused it once more, and tells of it.

    ``seq`` grows with all that a service tells of its quarantine; what is told of a message with less is stale.
    """

    type: ClassVar[str] = "message.quarantined.v1"

    service: str  # that keeps it, and nobody else tells of it
    message_id: UUID
    seq: int
    event_type: str  # as what it came; ``dead`` where that cannot be told
    source: str | None = None  # of the CloudEvent, and its id, as far as they can be read
    event_id: str | None = None
    reason: str
    at: datetime
    size: int  # bytes
    body: str  # its beginning
    truncated: bool = False  # there is more of it


class MessageReleased(Event):
    """A message is in quarantine no more: it was taken in after all, or deleted. ``seq`` as in `MessageQuarantined`."""

    type: ClassVar[str] = "message.released.v1"

    service: str
    message_id: UUID
    seq: int
    outcome: Literal["replayed", "discarded"]
    by: str | None  # None: nobody knows
    at: datetime


class QuarantineHandle(Event):
    """Asks a service to take a message in again, or to delete it. No effect where it is not as ``seq`` told of it."""

    type: ClassVar[str] = "quarantine.handle.v1"

    service: str
    message_id: UUID
    seq: int
    action: Handling
    by: str


EVENTS: Mapping[str, type[Event]] = {
    event.type: event
    for event in (
        WorkflowStart,
        RunCancel,
        RunChanged,
        ApprovalRequested,
        ApprovalOpened,
        ApprovalReminded,
        ApprovalResolved,
        NotificationRequested,
        DeliveryChanged,
        WorkflowsServed,
        MessageQuarantined,
        MessageReleased,
        QuarantineHandle,
    )
}
