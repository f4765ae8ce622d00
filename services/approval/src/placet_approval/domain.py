"""Approvals, runs and who may do what. No I/O.

::

    pending -> approved | rejected     a decision
            -> expired                 the clock
            -> cancelled               its run was cancelled, or has ended
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from placet_contracts.events import DeliveryStatus, Outcome, RunStatus

Json = str  # JSON text, passed through unparsed
Status = Literal["pending", "approved", "rejected", "expired", "cancelled"]
Verdict = Literal["approve", "reject"]
Role = Literal["admin", "approver", "starter", "viewer"]
Action = Literal["read", "start", "cancel", "decide", "audit"]
TimelineKind = Literal["opened", "notification", "approved", "rejected", "expired", "cancelled"]

CLOCK = "clock"  # the actor of expiry

MAY: dict[Action, frozenset[Role]] = {
    "read": frozenset({"admin", "approver", "starter", "viewer"}),
    "start": frozenset({"admin", "starter"}),
    "cancel": frozenset({"admin", "starter"}),
    "decide": frozenset({"admin", "approver"}),
    "audit": frozenset({"admin"}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API: ``key:<name>``, and what that key may do."""

    actor: str
    role: Role

    def may(self, action: Action) -> bool:
        return self.role in MAY[action]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification about an approval, as far as it got."""

    channel: str
    recipient: str
    status: DeliveryStatus
    attempts: int
    error: str | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to an approval: opened, a notification's state, its end."""

    at: datetime
    kind: TimelineKind
    actor: str | None = None
    comment: str | None = None
    channel: str | None = None
    recipient: str | None = None
    status: DeliveryStatus | None = None
    attempts: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for a decision, as it stands."""

    id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    status: Status
    title: str | None
    message: str | None
    context: Json | None
    input: Json
    digest: str
    requested_by: str | None
    notified: bool
    opened_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    channel: str | None
    comment: str | None
    deliveries: tuple[Delivery, ...] = field(default=())

    @property
    def timeline(self) -> list[TimelineEntry]:
        """What happened to it, in order."""
        entries = [TimelineEntry(self.opened_at, "opened", actor=self.requested_by)]
        entries += [
            TimelineEntry(
                delivery.changed_at,
                "notification",
                channel=delivery.channel,
                recipient=delivery.recipient,
                status=delivery.status,
                attempts=delivery.attempts,
                error=delivery.error,
            )
            for delivery in self.deliveries
        ]
        if self.status != "pending" and self.resolved_at is not None:
            end = TimelineEntry(
                self.resolved_at, self.status, actor=self.resolved_by, comment=self.comment, channel=self.channel
            )
            entries.append(end)
        return sorted(entries, key=lambda entry: entry.at)


@dataclass(frozen=True, slots=True)
class RunApproval:
    """An approval that a run has asked for."""

    id: UUID
    gate: str
    status: Status


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as far as it is known here."""

    id: str
    workflow: str
    version: int | None
    status: RunStatus
    attempt: int
    parked: bool
    gate: str | None
    input: Json | None
    output: Json | None
    error: Json | None
    requested_by: str | None
    cancelled_by: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    approvals: tuple[RunApproval, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Start:
    """A run as it is asked for over the API."""

    run_id: str
    workflow: str
    version: int | None
    input: Json
    started_by: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's vote on an approval."""

    approval_id: UUID
    verdict: Verdict
    actor: str
    channel: str
    comment: str | None = None
    digest: str | None = None  # of what the decider was shown, where the channel knows

    @property
    def outcome(self) -> Outcome:
        return "approved" if self.verdict == "approve" else "rejected"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the audit: what, where, and what is known of it."""

    problem: str
    where: str
    detail: str


class ApprovalError(Exception):
    """Something that a caller can expect to be told."""


class NotFound(ApprovalError):
    """Raised for what is not there, or not for the caller's eyes."""

    def __init__(self, what: str, id: object) -> None:
        super().__init__(f"there is no {what} {id}")


class AlreadyResolved(ApprovalError):
    """Raised when a decision comes after the approval ended."""

    def __init__(self, approval_id: UUID, status: Status, resolved_by: str | None) -> None:
        by = f" by {resolved_by}" if resolved_by else ""
        super().__init__(f"approval {approval_id} is already {status}{by}")
        self.approval_id = approval_id
        self.status = status
        self.resolved_by = resolved_by


class ContentChanged(ApprovalError):
    """Raised when a decision carries the digest of something else than what is asked."""

    def __init__(self, approval_id: UUID) -> None:
        super().__init__(f"approval {approval_id} asks for something else than what was shown: look at it again")


class RunContradicted(ApprovalError):
    """Raised when a run id is used again with another workflow, version or input."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} exists with another workflow, version or input")


class KeyReused(ApprovalError):
    """Raised when an idempotency key comes again with another request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request")


class AlreadyEnded(ApprovalError):
    """Raised when a run that is to be cancelled has ended otherwise."""

    def __init__(self, run_id: str, status: RunStatus) -> None:
        super().__init__(f"run {run_id} has already ended: {status}")
        self.status = status


class RunDeleted(ApprovalError):
    """Raised when the id of a run is used again that ended long ago and was deleted."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} ended long ago and was deleted; its id is not given again")


class Overloaded(ApprovalError):
    """Raised for a start that comes while too many others are under way or wait. Nothing of it was done."""

    def __init__(self, why: str, retry_after: int) -> None:
        super().__init__(f"{why}; nothing was started: try again after {retry_after} s")
        self.retry_after = retry_after


class KeyNameTaken(ApprovalError):
    """Raised when an API key's name was used before; names stay unique, so that history stays clear."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is or was a key named {name!r}")


def judge(decision: Decision, approval: Approval | None) -> Approval | ApprovalError:
    """What a decision comes to, given its approval as it is now: the approval, where it ended just so, or an error.

    One that a decision has left pending asks for something else than was shown, or was not there yet.
    """
    if approval is None:
        return NotFound("approval", decision.approval_id)
    if approval.status == "pending":
        other = decision.digest is not None and decision.digest != approval.digest
        return ContentChanged(approval.id) if other else NotFound("approval", decision.approval_id)
    if approval.status == decision.outcome and approval.resolved_by == decision.actor:
        return approval
    return AlreadyResolved(approval.id, approval.status, approval.resolved_by)
