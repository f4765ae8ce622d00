"""Runs workflows in memory, for unit tests: the semantics of the real thing, without services and without waiting.

::

    async def test_a_rejected_user_stays() -> None:
        trial = Trial(app)
        run = await trial.start("delete-user", DeleteUser(user_id="u1"))
        assert run.paused_at == "approval"
        await run.reject(by="ana")
        assert run.status == "rejected"
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json

from placet.app import Placet, Workflow
from placet.errors import NotPending, UnknownWorkflow
from placet.execution import Completed, Failed, Paused, run_pass
from placet.interrupts import Interrupt
from placet.journal import Approval, Snapshot
from placet.values import Json, plain
from placet_contracts.destinations import Destination
from placet_contracts.events import ENDED, Outcome, RunError, RunStatus

_BACKOFF = timedelta(seconds=1)  # before the first retry; doubles with each
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime = _EPOCH) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class Trial:
    """An app on trial. Retries follow at once; their back-off moves the clock."""

    def __init__(self, app: Placet, clock: ManualClock | None = None) -> None:
        self.app = app
        self.clock = clock or ManualClock()
        self._runs: list[TrialRun] = []

    async def start(self, workflow: str, input: object = None, *, version: int | None = None) -> "TrialRun":
        """Start a run, and run it to its first pause or its end. Without a version, it is the highest one.

        ``input`` is a model, a dataclass or plain JSON.

        Raises:
            UnknownWorkflow: the app has no such workflow or version.
        """
        served = self.app.latest(workflow) if version is None else self.app.workflows.get((workflow, version))
        if served is None:
            raise UnknownWorkflow(workflow, version, self.app.workflows.keys())
        run = TrialRun(f"run-{len(self._runs) + 1}", served, plain(input), self.clock)
        self._runs.append(run)
        await run._go()
        return run

    async def advance(self, by: timedelta) -> None:
        """Let time pass, and what is asked for expire."""
        self.clock.advance(by)
        for run in self._runs:
            await run._expire_if_due()


class TrialRun:
    """A run on trial, at rest: paused or ended."""

    def __init__(self, id: str, workflow: Workflow, input: Json, clock: ManualClock) -> None:
        self.id = id
        self.workflow = workflow
        self.status: str = "ready"  # a RunStatus; typed so that an assert does not narrow it for the next one
        self.request: Interrupt | None = None  # what it asks for, while it is paused
        self.approvals: dict[str, Approval] = {}  # by gate, the resolved ones
        self.output: Any = None  # as JSON
        self.error: RunError | None = None
        self.passes = 0  # how often the handler was entered
        self._input = input
        self._clock = clock
        self._failures = 0
        self._deadline: datetime | None = None
        self._memory = _Memory()

    @property
    def paused_at(self) -> str | None:
        """The gate at which it waits for a decision."""
        return None if self.request is None else self.request.gate

    @property
    def steps(self) -> Mapping[str, Any]:
        """The stored results, as JSON, by name."""
        return {name: from_json(result) for name, result in self._memory.steps.items()}

    @property
    def notifications(self) -> list[tuple[str, Destination]]:
        """Who was told what by ``ctx.notify``, in order."""
        return list(self._memory.notifications.values())

    async def approve(self, by: str = "tester", comment: str | None = None) -> None:
        """Approve what it asks for, and run it on to its next pause or its end.

        Raises:
            NotPending: it asks for nothing, or time is up.
        """
        await self._decide("approved", by, comment)

    async def reject(self, by: str = "tester", comment: str | None = None) -> None:
        """Reject what it asks for. See `approve`."""
        await self._decide("rejected", by, comment)

    async def expire(self) -> None:
        """Let time pass until what it asks for expires.

        Raises:
            NotPending: it asks for nothing, or for something that does not expire.
        """
        if self._deadline is None:
            raise NotPending(self.id, self.status)
        self._clock.advance(max(self._deadline - self._clock.now(), timedelta(0)))
        await self._expire_if_due()

    async def cancel(self) -> None:
        """Cancel it, with what it asks for.

        Raises:
            NotPending: it has ended.
        """
        if self.status in ENDED:
            raise NotPending(self.id, self.status)
        self._rest("cancelled")

    async def _decide(self, outcome: Outcome, by: str, comment: str | None) -> None:
        await self._expire_if_due()
        if self.request is None:
            raise NotPending(self.id, self.status)
        await self._resolve(self.request, outcome, by, comment, "test")

    async def _expire_if_due(self) -> None:
        if self.request is not None and self._deadline is not None and self._clock.now() >= self._deadline:
            await self._resolve(self.request, "expired", "clock", None, "clock")

    async def _resolve(self, request: Interrupt, outcome: Outcome, by: str, comment: str | None, channel: str) -> None:
        gate = request.gate
        self.approvals[gate] = Approval(gate, outcome, by, self._clock.now(), comment, channel)
        if outcome == "approved" or request.on_reject == "resume":
            self._rest("ready")
            await self._go()
        else:
            self._rest("rejected")
            self.error = _refusal(self.approvals[gate])

    async def _go(self) -> None:
        while self.status == "ready":
            self.status = "running"
            attempt = self._failures + 1
            snapshot = Snapshot(self.id, self._input, attempt, dict(self._memory.steps), dict(self.approvals))
            result = await run_pass(self.workflow, snapshot, self._memory)
            self.passes += not (isinstance(result, Failed) and result.error.type == "InputInvalid")
            match result:
                case Completed(output):
                    self._rest("completed")
                    self.output = from_json(output)
                    self.error = None
                case Paused(interrupt):
                    self._rest("paused")
                    self.request = interrupt
                    if interrupt.expires_in is not None:
                        self._deadline = self._clock.now() + timedelta(seconds=interrupt.expires_in)
                case Failed(error, retryable):
                    self.error = error
                    if retryable and self._failures < self.workflow.retries:
                        self._rest("ready")
                        self._clock.advance(_BACKOFF * 2**self._failures)
                    else:
                        self._rest("failed")
                    self._failures += 1

    def _rest(self, status: RunStatus) -> None:
        self.status = status
        self.request = None
        self._deadline = None


class _Memory:
    """A journal that lasts as long as its test."""

    def __init__(self) -> None:
        self.steps: dict[str, Json] = {}
        self.notifications: dict[str, tuple[str, Destination]] = {}

    async def record_step(self, name: str, result: Json, took: timedelta) -> None:
        self.steps[name] = result

    async def record_notification(self, key: str, message: str, destination: Destination) -> None:
        self.notifications.setdefault(key, (message, destination))


def _refusal(approval: Approval) -> RunError:
    if approval.outcome == "expired":
        return RunError(type="ApprovalExpired", message=f"nobody decided at the gate {approval.gate!r} in time")
    comment = f": {approval.comment}" if approval.comment else ""
    message = f"{approval.resolved_by} rejected at the gate {approval.gate!r}{comment}"
    return RunError(type="ApprovalRejected", message=message)
