"""A run's states and rules. No I/O.

::

    ready -> running -> completed | failed
               |  ^
               |  '-- ready     a retry, or a lost lease
               v
             paused -> ready    approved, or refused where the author resumes
               |
               '-----> rejected refused or expired

    running at once, instead of ready, where a worker takes it in or resumes it that has a slot free

    cancelled from ready, running and paused
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic_core import from_json, to_json

from placet.execution import Approval, Completed, Failed, Json, Paused
from placet_contracts.events import MAX_DEPTH, MAX_RESULT, Outcome, RunError, RunStatus, StepDone, shallow

MAX_LOST_LEASES = 10
_LONGEST_BACKOFF = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Start:
    """A run as it is asked for."""

    run_id: str
    source: str
    event_id: str
    workflow: str
    version: int | None
    input: Json
    digest: str
    requested_by: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A run after a transition, as others are told of it."""

    id: str
    seq: int
    status: RunStatus
    workflow: str
    version: int | None
    failures: int
    parked: bool
    gate: str | None
    output: Json | None
    error: Json | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker would take at once, under a lease: up to ``room`` runs of what it serves, (workflow, version)."""

    worker: str
    served: Sequence[tuple[str, int]]
    lease: timedelta
    room: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that this worker holds under a lease; ``fence`` proves it with each write.

    ``steps`` and ``approvals`` are what it has behind it: nothing on its first pass.
    """

    id: str
    fence: int
    workflow: str
    version: int
    input: Json
    requested_by: str | None
    failures: int
    steps: Mapping[str, Json] = field(default_factory=dict)
    approvals: Mapping[str, Approval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step that a pass has done, to be stored; ``attempt`` is the pass's."""

    run_id: str
    fence: int
    name: str
    result: Json
    attempt: int
    took: timedelta

    def done(self, at: datetime) -> StepDone:
        """What others are told of it, once it was stored at that time."""
        return StepDone(name=self.name, attempt=self.attempt, started_at=at - self.took, ended_at=at)


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that a pass has paused at."""

    name: str
    approval_id: UUID
    digest: str
    on_reject: Literal["reject", "resume"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a pass ended: the state that its run goes to."""

    run_id: str
    fence: int
    status: Literal["completed", "failed", "paused", "ready"]
    output: Json | None = None
    error: Json | None = None
    gate: Gate | None = None
    failed: bool = False
    delay: timedelta = timedelta(0)  # until a retry
    steps: Sequence[StepDone] = ()  # that the pass did


@dataclass(frozen=True, slots=True)
class Resolution:
    """How an approval ended, with a receipt that has been verified."""

    approval_id: UUID
    run_id: str
    gate: str
    outcome: Outcome
    digest: str
    resolved_by: str
    resolved_at: datetime
    channel: str
    comment: str | None
    receipt: str


class LeaseLost(Exception):
    """Raised when a pass may not commit: its run was taken over, cancelled, or has ended."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"the lease on run {run_id} is lost")
        self.run_id = run_id


def after_failure(
    run_id: str, fence: int, error: RunError, *, retryable: bool, failures: int, retries: int, backoff: timedelta
) -> Ending:
    """Where a raising pass leads; ``failures`` counts the passes that raised before."""
    text = error.model_dump_json(by_alias=True)
    if not retryable or failures >= retries:
        return Ending(run_id, fence, "failed", error=text, failed=True)
    spread = random.uniform(0.8, 1.2)  # noqa: S311
    return Ending(
        run_id, fence, "ready", error=text, failed=True, delay=min(backoff * 2**failures, _LONGEST_BACKOFF) * spread
    )


def fitting(result: Completed | Paused | Failed) -> Completed | Paused | Failed:
    """What a pass came to, if others can be told of it; else why not. Nothing makes it smaller, so no retry follows."""
    if isinstance(result, Completed):
        reason = _misfit(result.output.encode())
        return (
            result if reason is None else Failed(RunError(type="OutputTooLarge", message=f"the output {reason}"), False)
        )
    if isinstance(result, Paused):
        asked = result.interrupt
        reason = _misfit(to_json({"title": asked.title, "message": asked.message, "context": asked.context}))
        if reason is not None:
            message = f"what the gate {asked.gate!r} asks {reason}"
            return Failed(RunError(type="RequestTooLarge", message=message), False)
    return result


def _misfit(json: bytes) -> str | None:
    if len(json) > MAX_RESULT:
        return f"has {len(json)} bytes of JSON; at most {MAX_RESULT} are allowed"
    try:
        shallow(from_json(json))
    except ValueError:  # also of the parser, which gives up before
        return f"is nested more than {MAX_DEPTH} levels deep"
    return None


def after_resolution(outcome: Outcome, on_reject: str) -> RunStatus:
    """Where a paused run goes when its approval has ended."""
    if outcome == "cancelled":
        return "cancelled"
    if outcome == "approved" or on_reject == "resume":
        return "ready"
    return "rejected"


def refusal(resolution: Resolution) -> RunError:
    """Why a run was rejected, for those who look at it."""
    if resolution.outcome == "expired":
        return RunError(type="ApprovalExpired", message=f"nobody decided at the gate {resolution.gate!r} in time")
    reason = f": {resolution.comment}" if resolution.comment else ""
    return RunError(
        type="ApprovalRejected", message=f"{resolution.resolved_by} rejected at the gate {resolution.gate!r}{reason}"
    )
