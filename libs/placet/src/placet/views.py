"""What the API answers: runs and approvals as they stand."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from placet_contracts.base import Model
from placet_contracts.events import ENDED, Outcome, RunError, RunStatus

ApprovalStatus = Literal["pending"] | Outcome


class RunApproval(Model):
    """An approval that a run has asked for."""

    id: UUID
    gate: str
    status: ApprovalStatus


class StepDone(Model):
    """A step that a run has behind it; the pass that did it was of this attempt."""

    name: str
    attempt: int
    started_at: datetime
    ended_at: datetime


class Retry(Model):
    """A pass that raised, and was tried again. ``attempt`` counts from 1."""

    attempt: int
    at: datetime
    error: RunError


class Run(Model):
    """A run. ``parked``: it is ready, and no executor that is alive serves its workflow and version.

    ``steps`` and ``retries`` are there where one run is asked for, not in lists.
    """

    id: str
    workflow: str
    version: int | None = None  # None: not registered anywhere yet
    status: RunStatus
    parked: bool = False
    attempt: int = 1
    gate: str | None = None  # where it is paused
    input: Any = None
    output: Any = None
    error: RunError | None = None
    requested_by: str | None = None
    cancelled_by: str | None = None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    approvals: tuple[RunApproval, ...] = ()
    steps: tuple[StepDone, ...] | None = None
    retries: tuple[Retry, ...] | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def waiting(self) -> bool:
        """Whether somebody can decide on it now."""
        return self.status == "paused" and any(approval.status == "pending" for approval in self.approvals)


class OpenRuns(Model):
    """How many runs have not ended, by what they do. Those that are parked are not counted as ready."""

    ready: int
    running: int
    paused: int
    parked: int


class WorkflowVersion(Model):
    """One version of a workflow. Its input schema is a JSON Schema, ``None`` where any input does."""

    version: int
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    served: bool
    executors: int  # that are alive and serve it
    first_seen_at: datetime
    seen_at: datetime
    runs: OpenRuns


class WorkflowView(Model):
    """A workflow. ``latest`` is the version of a run that is started without one, and what its description and input
    schema are of; ``None`` where nobody has ever served it, and runs wait for it."""

    name: str
    latest: int | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    served: bool
    executors: int  # that are alive and serve any version of it
    seen_at: datetime | None = None
    versions: tuple[WorkflowVersion, ...] = ()  # the highest first
    runs: OpenRuns
    has_runs: bool


class TimelineEntry(Model):
    """Something that happened to an approval: it was opened, a notification went on, it ended."""

    at: datetime
    kind: str
    actor: str | None = None
    comment: str | None = None
    channel: str | None = None
    recipient: str | None = None
    status: str | None = None  # of a notification
    attempts: int | None = None
    error: str | None = None
    verdict: str | None = None  # of a vote
    on_behalf_of: str | None = None
    detail: str | None = None  # of a change of who is asked


class Missing(Model):
    """So many more of these people; none named: of all who have the role approver."""

    approvers: tuple[str, ...]
    count: int


class Progress(Model):
    """How far what one source asks is: the author, or a policy of the deployment. ``stage`` counts from 0."""

    source: str
    outcome: Literal["pending", "approved", "rejected"]
    stage: int
    stages: int
    name: str | None = None
    need: Literal["all", "any"] = "all"  # of what is missing
    missing: tuple[Missing, ...] = ()
    rejected: int = 0
    rejections: int = 1


class ApprovalView(Model):
    """An approval, with all that its decider sees. ``digest`` is that of what was asked.

    ``revision`` counts up as somebody changes who is asked; ``progress`` is empty where one approver is enough.
    """

    id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    status: ApprovalStatus
    title: str | None = None
    message: str | None = None
    context: Any = None
    input: Any = None
    digest: str
    requested_by: str | None = None
    opened_at: datetime
    expires_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    comment: str | None = None
    channel: str | None = None
    revision: int = 1
    progress: tuple[Progress, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
