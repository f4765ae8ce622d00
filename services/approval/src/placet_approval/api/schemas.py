"""What goes over the wire: camelCase, and nothing unknown in requests."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from placet_approval.domain import Status, TimelineKind, Verdict
from placet_contracts.base import Model
from placet_contracts.events import Input, RunError, RunId, RunStatus, Version, WorkflowName

Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]  # Postgres takes no NUL


def _parsed(value: Any) -> Any:
    return from_json(value) if isinstance(value, str) else value


Parsed = Annotated[Any, BeforeValidator(_parsed)]  # out of JSON text, as the domain has it


class Request(Model):
    """What is misspelt is refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False, frozen=True, extra="forbid")


class StartRun(Request):
    """A run to start. Without a version it takes the highest that is registered; without an id it gets one."""

    workflow: WorkflowName
    version: Version | None = None
    run_id: RunId | None = None
    input: Input = None


class Decide(Request):
    """A decision. ``digest`` and ``revision``, if given, must be those of the approval: what was shown is what is
    decided on."""

    decision: Verdict
    comment: Text | None = None
    digest: Text | None = None
    revision: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] | None = None


class WaitQuery(Request):
    """``wait``: seconds to wait for an end."""

    wait: float = Field(default=0, ge=0, le=60)


class RunWaitQuery(WaitQuery):
    """``until``: what is waited for; ``paused`` is also met by an end."""

    until: Literal["ended", "paused"] = "ended"


class PageQuery(Request):
    """``cursor``: as the page before gave it."""

    cursor: str | None = Field(default=None, max_length=500)
    limit: int = Field(default=50, ge=1, le=200)


class RunsQuery(PageQuery):
    """Which runs."""

    workflow: Text | None = None
    status: RunStatus | None = None
    parked: bool | None = None


class ApprovalsQuery(PageQuery):
    """Which approvals."""

    status: Status | None = None
    run_id: Text | None = None
    workflow: Text | None = None


class View(Model):
    """Made from what the domain calls alike."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, from_attributes=True)


class RunApproval(View):
    """An approval that a run has asked for."""

    id: UUID
    gate: str
    status: Status


class StepView(View):
    """A step that a run has behind it; the pass that did it was of this attempt."""

    name: str
    attempt: int
    started_at: datetime
    ended_at: datetime


class RetryView(View):
    """A pass that raised, and was tried again. ``attempt`` counts from 1."""

    attempt: int
    at: datetime
    error: Annotated[RunError, BeforeValidator(_parsed)]


class RunView(View):
    """A run. ``steps`` and ``retries`` are null in lists."""

    id: str
    workflow: str
    version: int | None
    status: RunStatus
    parked: bool
    attempt: int
    gate: str | None
    input: Parsed
    output: Parsed
    error: Annotated[RunError | None, BeforeValidator(_parsed)]
    requested_by: str | None
    cancelled_by: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    approvals: list[RunApproval]
    steps: list[StepView] | None = None
    retries: list[RetryView] | None = None


class TimelineEntry(View):
    """Something that happened to an approval: opened, a notification's state, a vote, a change, its end."""

    at: datetime
    kind: TimelineKind
    actor: str | None = None
    comment: str | None = None
    channel: str | None = None
    recipient: str | None = None
    status: str | None = None  # of a notification: pending, retrying, sent, failed
    attempts: int | None = None
    error: str | None = None
    verdict: Verdict | None = None  # of a vote
    on_behalf_of: str | None = None
    detail: str | None = None  # of a change


class Missing(View):
    """So many more of these people; none named: of all who have the role approver."""

    approvers: list[str]
    count: int


class Progress(View):
    """How far what one source asks is: the author's, or a policy's of the deployment. ``stage`` counts from 0; ``need``
    says whether all that is missing there must come, or any of it."""

    source: str
    outcome: Literal["pending", "approved", "rejected"]
    stage: int
    stages: int
    name: str | None
    need: Literal["all", "any"]
    missing: list[Missing]
    rejected: int
    rejections: int


class ApprovalView(View):
    """An approval, with all that its decider needs to see. ``progress`` is empty where one approver is enough."""

    id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    status: Status
    title: str | None
    message: str | None
    context: Parsed
    input: Parsed
    digest: str
    requested_by: str | None
    opened_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    channel: str | None
    comment: str | None
    revision: int
    progress: list[Progress]
    timeline: list[TimelineEntry]


class ArchivedRun(View):
    """A run that ended, with its approvals, as a line of the archive."""

    run: RunView
    approvals: list[ApprovalView]


class RunPage(Model):
    """Some runs, the newest first; ``nextCursor`` leads to the next page, and is null on the last."""

    items: list[RunView]
    next_cursor: str | None


class ApprovalPage(Model):
    """Some approvals, the newest first; ``nextCursor`` leads to the next page, and is null on the last."""

    items: list[ApprovalView]
    next_cursor: str | None


class AuditHead(View):
    """Where the chain of the audit ends. Nothing is sealed yet at ``seq`` 0."""

    seq: int
    hash: str  # SHA-256 of the payload of the seal
    at: datetime | None
    seal: str | None  # compact JWS; keep it, and `placet audit verify --head` will find it in the chain


class FieldError(Model):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(Model):
    """An error, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None  # of a request that does not fit
    outcome: Status | None = None  # of an approval that has ended already
    resolved_by: str | None = None
    reason: str | None = None  # why somebody may not decide, as a word
