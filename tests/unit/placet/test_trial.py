"""The kit for authors' own unit tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from placet import Context, Email, Interrupt, Placet
from placet.errors import NotPending, UnknownWorkflow
from placet.testing import ManualClock, Trial


class DeleteUser(BaseModel):
    user_id: str


class Deleted(BaseModel):
    user_id: str
    by: list[str]


class Upstream:
    """Something that fails a number of times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    async def call(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError("no route")
        return self.calls


app = Placet()


@app.workflow("delete-user")
async def delete_user(ctx: Context, input: DeleteUser) -> Deleted:
    await ctx.step("load", lambda: 0)
    await ctx.notify(message="It is about to happen.", destination=Email("audit@example.com"))
    first = await ctx.require_approval(message="Ok?", destination=Email("ana@example.com"), expires_in=60)
    second = await ctx.require_approval("legal", on_reject="resume", expires_in=timedelta(days=1))
    return Deleted(user_id=input.user_id, by=[first.resolved_by, second.resolved_by])


@app.workflow("ask")
async def ask(ctx: Context, input: str) -> str | Interrupt:
    approval = ctx.approval()
    if approval is None:
        return Interrupt.approval(expires_in=60, on_reject="resume")
    return approval.outcome


@app.workflow("ask", version=2)
async def ask_differently(ctx: Context, input: str) -> str:
    return "two"


@pytest.fixture
def trial() -> Trial:
    return Trial(app)


async def test_a_run_from_start_to_end(trial: Trial) -> None:
    """Two gates, two people, each step and notification once."""
    run = await trial.start("delete-user", DeleteUser(user_id="u1"))

    assert (run.status, run.paused_at, run.passes) == ("paused", "approval", 1)
    assert run.request is not None
    assert (run.request.message, run.request.destinations) == ("Ok?", (Email("ana@example.com"),))

    await run.approve(by="ana", comment="go")
    assert (run.paused_at, run.approvals["approval"].comment) == ("legal", "go")

    await run.approve(by="bo")
    assert (run.status, run.paused_at, run.passes) == ("completed", None, 3)
    assert run.output == {"user_id": "u1", "by": ["ana", "bo"]}
    assert run.steps == {"load": 0}
    assert run.notifications == [("It is about to happen.", Email("audit@example.com"))]


async def test_a_rejected_run_ends_without_its_handler(trial: Trial) -> None:
    """A rejection is final, and the handler is not entered again."""
    run = await trial.start("delete-user", {"user_id": "u1"})

    await run.reject(by="ana", comment="not this one")

    assert (run.status, run.passes, run.output) == ("rejected", 1, None)
    assert run.error is not None
    assert (run.error.type, run.error.message) == (
        "ApprovalRejected",
        "ana rejected at the gate 'approval': not this one",
    )


async def test_a_handler_that_resumes_learns_of_the_rejection(trial: Trial) -> None:
    """With ``on_reject="resume"`` the handler decides what a rejection means."""
    rejected = await trial.start("ask", "x", version=1)
    expired = await trial.start("ask", "x", version=1)

    await rejected.reject()
    await expired.expire()

    assert (rejected.status, rejected.output, expired.output) == ("completed", "rejected", "expired")
    assert expired.approvals["approval"].resolved_by == "clock"


async def test_what_is_asked_for_expires(trial: Trial) -> None:
    """Time passes when it is told to; what nobody decided in time ends its run."""
    run = await trial.start("delete-user", {"user_id": "u1"})

    await trial.advance(timedelta(seconds=59))
    assert run.status == "paused"
    await trial.advance(timedelta(seconds=1))

    assert run.status == "rejected"
    assert run.error is not None
    assert run.error.type == "ApprovalExpired"


async def test_a_decision_after_the_deadline_comes_too_late(trial: Trial) -> None:
    """Of the clock and a person, the first counts."""
    run = await trial.start("delete-user", {"user_id": "u1"})
    trial.clock.advance(timedelta(minutes=2))

    with pytest.raises(NotPending, match="run-1 waits for no decision: it is rejected"):
        await run.approve()

    assert run.passes == 1


async def test_only_a_pending_gate_can_be_decided(trial: Trial) -> None:
    """Nor can a run that has ended be cancelled, expired or decided again."""
    run = await trial.start("ask", "x")
    assert (run.status, run.output) == ("completed", "two")

    for late in (run.approve, run.reject, run.expire, run.cancel):
        with pytest.raises(NotPending):
            await late()


async def test_a_cancelled_run_is_over(trial: Trial) -> None:
    """B2: no decision enters a cancelled run."""
    run = await trial.start("delete-user", {"user_id": "u1"})

    await run.cancel()

    assert (run.status, run.request, run.passes) == ("cancelled", None, 1)
    with pytest.raises(NotPending):
        await run.approve()


async def test_retries_follow_at_once() -> None:
    """A failing attempt is tried again, the clock moves on by the back-off, and a pause costs no attempt."""
    upstream = Upstream(failures=2)
    attempts: list[int] = []
    flaky = Placet()

    @flaky.workflow("flaky", retries=2)
    async def handler(ctx: Context, input: None) -> int:
        attempts.append(ctx.attempt)
        called = await ctx.step("call", upstream.call)
        await ctx.require_approval()
        return called

    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    run = await Trial(flaky, clock).start("flaky")
    await run.approve()

    assert (run.status, run.output, run.error) == ("completed", 3, None)
    assert attempts == [1, 2, 3, 3]
    assert clock.now() == datetime(2030, 1, 1, 0, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_retries_run_out(retries: int) -> None:
    """``retries`` counts the attempts after the first."""
    upstream = Upstream(failures=100)
    flaky = Placet()

    @flaky.workflow("flaky", retries=retries)
    async def handler(ctx: Context, input: None) -> int:
        return await ctx.step("call", upstream.call)

    run = await Trial(flaky).start("flaky")

    assert (run.status, run.passes, upstream.calls) == ("failed", retries + 1, retries + 1)
    assert run.error is not None
    assert (run.error.type, run.error.message) == ("ConnectionError", "no route")


@pytest.mark.parametrize("input", [None, {}, {"user_id": 3}])
async def test_an_input_that_does_not_fit(trial: Trial, input: Any) -> None:
    """The run fails before its handler is entered."""
    run = await trial.start("delete-user", input)

    assert (run.status, run.passes) == ("failed", 0)
    assert run.error is not None
    assert run.error.type == "InputInvalid"


async def test_three_rounds_in_a_loop() -> None:
    """Gates in a loop: every earlier step has run once when the last round is through."""
    calls: list[int] = []
    rounds = Placet()

    def work(number: int) -> int:
        calls.append(number)
        return number

    @rounds.workflow("rounds")
    async def handler(ctx: Context, input: int) -> list[int]:
        done = []
        for number in range(input):
            done.append(await ctx.step(f"round {number}", work, number))
            await ctx.require_approval(f"round-{number}")
        return done

    run = await Trial(rounds).start("rounds", 3)
    while run.paused_at:
        await run.approve()

    assert (run.output, calls, run.passes) == ([0, 1, 2], [0, 1, 2], 4)


async def test_an_unknown_workflow_is_refused(trial: Trial) -> None:
    """A misspelt name or a version that is not there raises, with what there is."""
    with pytest.raises(UnknownWorkflow, match="no workflow 'delete'"):
        await trial.start("delete")
    with pytest.raises(UnknownWorkflow, match="no workflow 'ask' version 3; there is ask v1, ask v2"):
        await trial.start("ask", version=3)
