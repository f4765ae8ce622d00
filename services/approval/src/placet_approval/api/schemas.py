"""What goes over the wire: camelCase, and nothing unknown in requests."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from placet_approval.domain import Approval, Run, Status, Verdict
from placet_contracts.base import Model
from placet_contracts.events import Input, RunError, RunId, RunStatus, Version, WorkflowName

Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]  # Postgres takes no NUL


class Request(Model):
    """What is misspelt is refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class StartRun(Request):
    """A run to start. Without a version it takes the highest that is registered; without an id it gets one."""

    workflow: WorkflowName
    version: Version | None = None
    run_id: RunId | None = None
    input: Input = None


class Decide(Request):
    """A decision. ``digest``, if given, must be that of the approval: what was shown is what is decided on."""

    decision: Verdict
    comment: Text | None = None
    digest: Text | None = None


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


class RunApproval(Model):
    """An approval that a run has asked for."""

    id: UUID
    gate: str
    status: Status


class RunView(Model):
    """A run."""

    id: str
    workflow: str
    version: int | None
    status: RunStatus
    parked: bool
    attempt: int
    gate: str | None
    input: Any
    output: Any
    error: RunError | None
    requested_by: str | None
    cancelled_by: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    approvals: list[RunApproval]

    @classmethod
    def of(cls, run: Run) -> "RunView":
        return cls(
            id=run.id,
            workflow=run.workflow,
            version=run.version,
            status=run.status,
            parked=run.parked,
            attempt=run.attempt,
            gate=run.gate,
            input=_value(run.input),
            output=_value(run.output),
            error=None if run.error is None else RunError.model_validate_json(run.error),
            requested_by=run.requested_by,
            cancelled_by=run.cancelled_by,
            created_at=run.created_at,
            updated_at=run.updated_at,
            ended_at=run.ended_at,
            approvals=[RunApproval(id=id, gate=gate, status=status) for id, gate, status in run.approvals],
        )


class TimelineEntry(Model):
    """Something that happened to an approval: opened, a notification's state, its end."""

    at: datetime
    kind: Literal["opened", "notification", "approved", "rejected", "expired", "cancelled"]
    actor: str | None = None
    comment: str | None = None
    channel: str | None = None
    recipient: str | None = None
    status: str | None = None  # of a notification: pending, retrying, sent, failed
    attempts: int | None = None
    error: str | None = None


class ApprovalView(Model):
    """An approval, with all that its decider needs to see."""

    id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    status: Status
    title: str | None
    message: str | None
    context: Any
    input: Any
    digest: str
    requested_by: str | None
    opened_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    channel: str | None
    comment: str | None
    timeline: list[TimelineEntry]

    @classmethod
    def of(cls, approval: Approval) -> "ApprovalView":
        return cls(
            id=approval.id,
            run_id=approval.run_id,
            workflow=approval.workflow,
            version=approval.version,
            gate=approval.gate,
            status=approval.status,
            title=approval.title,
            message=approval.message,
            context=_value(approval.context),
            input=_value(approval.input),
            digest=approval.digest,
            requested_by=approval.requested_by,
            opened_at=approval.opened_at,
            expires_at=approval.expires_at,
            resolved_at=approval.resolved_at,
            resolved_by=approval.resolved_by,
            channel=approval.channel,
            comment=approval.comment,
            timeline=_timeline(approval),
        )


class RunPage(Model):
    """Some runs, the newest first; ``nextCursor`` leads to the next page, and is null on the last."""

    items: list[RunView]
    next_cursor: str | None


class ApprovalPage(Model):
    """Some approvals, the newest first; ``nextCursor`` leads to the next page, and is null on the last."""

    items: list[ApprovalView]
    next_cursor: str | None


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


def _timeline(approval: Approval) -> list[TimelineEntry]:
    entries = [TimelineEntry(at=approval.opened_at, kind="opened", actor=approval.requested_by)]
    entries += [
        TimelineEntry(
            at=delivery.changed_at,
            kind="notification",
            channel=delivery.channel,
            recipient=delivery.recipient,
            status=delivery.status,
            attempts=delivery.attempts,
            error=delivery.error,
        )
        for delivery in approval.deliveries
    ]
    if approval.status != "pending" and approval.resolved_at is not None:
        entries.append(
            TimelineEntry(
                at=approval.resolved_at,
                kind=approval.status,
                actor=approval.resolved_by,
                comment=approval.comment,
                channel=approval.channel,
            )
        )
    return sorted(entries, key=lambda entry: entry.at)


def _value(text: str | None) -> Any:
    return None if text is None else from_json(text)
