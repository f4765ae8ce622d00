"""Approvals, runs and who may do what. No I/O.

::

    pending -> approved | rejected     a decision
            -> expired                 the clock
            -> cancelled               its run was cancelled, or has ended
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal
from uuid import UUID

from placet_approval.policy.matching import DeploymentPolicy
from placet_approval.policy.people import DECIDING
from placet_approval.policy.terms import PLAIN, Named, Terms
from placet_approval.policy.votes import Progress, Vote, tally
from placet_contracts.events import DeliveryStatus, Outcome, RunStatus

Json = str  # JSON text, passed through unparsed
Status = Literal["pending", "approved", "rejected", "expired", "cancelled"]
Verdict = Literal["approve", "reject"]
Role = Literal["admin", "approver", "starter", "viewer"]
Action = Literal["read", "start", "cancel", "decide", "audit", "manage", "self"]
ChangeKind = Literal["reminded", "escalated", "reassigned", "reevaluated"]
TimelineKind = (
    Literal["opened", "notification", "viewed", "vote", "approved", "rejected", "expired", "cancelled"] | ChangeKind
)
HeldState = Literal["held", "released", "undone", "refused"]

CLOCK = "clock"  # the actor of expiry

MAY: Mapping[Action, frozenset[Role]] = {
    "read": frozenset({"admin", "approver", "starter", "viewer"}),
    "start": frozenset({"admin", "starter"}),
    "cancel": frozenset({"admin", "starter"}),
    "decide": DECIDING,
    "audit": frozenset({"admin"}),
    "manage": frozenset({"admin"}),  # users, groups, keys, policies, and who is asked on open approvals
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the deployment knows, whichever way they come."""

    id: UUID
    handle: str
    name: str
    emails: frozenset[str]  # verified, in small letters
    groups: frozenset[str]
    roles: frozenset[Role]
    disabled: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the API: ``key:<name>`` or ``user:<handle>``, and what they may do.

    ``subject``: what they count as, ``None`` where nobody has looked. ``bootstrap``: the admin key of the environment,
    which is nobody's.
    """

    actor: str
    roles: frozenset[Role]
    session: UUID | None = None  # of a browser
    subject: str | None = None
    bootstrap: bool = False

    def may(self, action: Action) -> bool:
        return action == "self" or not self.roles.isdisjoint(MAY[action])


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
class Change:
    """What was done to an open approval; ``detail`` says it in words."""

    at: datetime
    kind: ChangeKind
    actor: str
    detail: str
    comment: str | None


@dataclass(frozen=True, slots=True)
class View:
    """Somebody who opened an approval's page while it was pending, for the first time."""

    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to an approval: opened, a notification's state, viewed, a vote, a change, its end."""

    at: datetime
    kind: TimelineKind
    actor: str | None = None
    comment: str | None = None
    channel: str | None = None
    recipient: str | None = None
    status: DeliveryStatus | None = None
    attempts: int | None = None
    error: str | None = None
    verdict: Verdict | None = None  # of a vote
    on_behalf_of: str | None = None
    detail: str | None = None  # of a change


@dataclass(frozen=True)
class Approval:
    """A request for a decision, as it stands. Without terms it asks for one person who has the role approver."""

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
    requester: str | None
    terms: Terms | None
    revision: int
    on_deadline: Outcome
    viewed: bool = False  # whether somebody has opened its page
    deliveries: tuple[Delivery, ...] = field(default=())
    views: tuple[View, ...] = field(default=())
    votes: tuple[Vote, ...] = field(default=())
    changes: tuple[Change, ...] = field(default=())

    @cached_property
    def progress(self) -> tuple[Progress, ...]:
        """How far each ask is; nothing where one approver is enough."""
        return () if self.terms is None else tally(self.terms, self.votes).progress

    @property
    def asked(self) -> Terms:
        """What is asked on it."""
        return PLAIN if self.terms is None else self.terms

    @property
    def asked_progress(self) -> tuple[Progress, ...]:
        """How far each ask is, where one approver is enough too."""
        return self.progress or tally(self.asked, ()).progress

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
        entries += [TimelineEntry(view.at, "viewed", actor=view.actor) for view in self.views]
        entries += _votes(self.votes)
        entries += [
            TimelineEntry(change.at, change.kind, actor=change.actor, comment=change.comment, detail=change.detail)
            for change in self.changes
        ]
        if self.status != "pending" and self.resolved_at is not None:
            end = TimelineEntry(
                self.resolved_at, self.status, actor=self.resolved_by, comment=self.comment, channel=self.channel
            )
            entries.append(end)
        return sorted(entries, key=lambda entry: entry.at)


def _votes(votes: Iterable[Vote]) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            vote.at,
            "vote",
            actor=vote.actor,
            comment=vote.comment,
            channel=vote.channel,
            verdict=vote.verdict,
            on_behalf_of=vote.on_behalf_of,
        )
        for vote in votes
        if vote.at is not None
    ]


@dataclass(frozen=True, slots=True)
class Delegation:
    """Who stands in for whom, as actors (``user:ana``), from when until when."""

    id: UUID
    principal: str
    delegate: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    created_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """An approval that was decided on, as far as a policy looks at it."""

    id: UUID
    workflow: str
    version: int
    gate: str
    status: Status
    input: Json
    asked: Json | None  # the author's policy
    requested_by: str | None
    resolved_by: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A version of a policy of the deployment. At most one of each name is in force."""

    name: str
    version: int
    policy: DeploymentPolicy
    in_force: bool
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None

    @property
    def named(self) -> Named:
        return Named(self.name, self.version, self.policy)


@dataclass(frozen=True, slots=True)
class RunApproval:
    """An approval that a run has asked for."""

    id: UUID
    gate: str
    status: Status


@dataclass(frozen=True, slots=True)
class Step:
    """A step that a run has behind it; the pass that did it was of this attempt."""

    name: str
    attempt: int
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Retry:
    """A pass that raised, and was tried again. ``attempt`` counts from 1."""

    attempt: int
    at: datetime
    error: Json


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as far as it is known here. Steps and retries are in order; ``None`` in lists, where they are not read."""

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
    steps: tuple[Step, ...] | None = None
    retries: tuple[Retry, ...] | None = None


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
    """One person's vote on an approval.

    ``digest`` and ``revision`` are those of what the decider was shown, where the channel knows. ``subject`` and
    ``bootstrap`` are as in `Caller`.
    """

    approval_id: UUID
    verdict: Verdict
    actor: str
    channel: str
    comment: str | None = None
    digest: str | None = None
    revision: int | None = None
    roles: frozenset[str] = frozenset({"approver"})
    subject: str | None = None
    bootstrap: bool = False

    @property
    def outcome(self) -> Outcome:
        return "approved" if self.verdict == "approve" else "rejected"


@dataclass(frozen=True, slots=True)
class Held:
    """A decision that its maker can undo until it is released, or what became of it.

    ``outcome``: the approval's status by a decision that was released; ``pending``, where it is a vote that leaves it
    open. ``refusal``: why it was refused as it was to be released, in words.
    """

    id: UUID
    approval_id: UUID
    subject: str
    actor: str
    channel: str
    verdict: Verdict
    comment: str | None
    digest: str | None
    revision: int | None
    made_at: datetime
    release_at: datetime
    state: HeldState
    ended_at: datetime | None
    outcome: Status | None
    refusal: str | None


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


class TermsChanged(ApprovalError):
    """Raised when a decision was made on terms that somebody has changed since."""

    def __init__(self, approval_id: UUID) -> None:
        super().__init__(f"who is asked on approval {approval_id} was changed since it was shown: look at it again")


class NotAllowed(ApprovalError):
    """Raised when somebody may not decide on an approval; ``reason`` is a word for it, the message says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class PolicyChanged(ApprovalError):
    """Raised when a policy is to be changed that is in another version by now."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"the policy {name} is at version {version} by now: look at it again")


class AlreadyVoted(ApprovalError):
    """Raised when somebody has had their say on an approval that is still open."""


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


class TooMuchToRead(ApprovalError):
    """Raised where going through what is asked for took too long."""

    def __init__(self, days: int) -> None:
        super().__init__(f"there is too much to read in {days} days: ask for fewer, for one workflow, or later")


class KeyNameTaken(ApprovalError):
    """Raised when an API key's name was used before; names stay unique, so that history stays clear."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is or was a key named {name!r}")


def judge(decision: Decision, approval: Approval | None) -> Approval | ApprovalError:
    """What a decision comes to, given its approval as it is now: the approval, where it ended just so, or an error.

    One that a decision has left pending asks for something else than was shown, is the decider's own, or was not there
    yet.
    """
    if approval is None:
        return NotFound("approval", decision.approval_id)
    if approval.status != "pending":
        same = approval.status == decision.outcome and approval.resolved_by == decision.actor
        return approval if same else AlreadyResolved(approval.id, approval.status, approval.resolved_by)
    if decision.digest is not None and decision.digest != approval.digest:
        return ContentChanged(approval.id)
    if approval.requested_by == decision.actor or approval.requester is not None:
        return NotAllowed("requester", "whoever asked for this run cannot decide on it")
    return NotFound("approval", decision.approval_id)
