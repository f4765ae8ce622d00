"""B10: state, event, notification and resume were separate writes, and a crash between them left half of it.

Also: the write landed and the response was lost (vercel/workflow PR 3539); 200, and no resume (argo#12863).
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from kit.lessons import done
from kit.product import Product
from kit.waiting import eventually
from placet_runtime import fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

POINTS = ["outbox.before_commit", "outbox.after_commit"]


def once_in(use_case: Callable[..., object], error: BaseException) -> tuple[Callable[[], None], asyncio.Event]:
    """Raise an error when a point is first reached in a use case; the event says that it was."""
    reached = asyncio.Event()

    def strike() -> None:
        frame = sys._getframe()
        while (caller := frame.f_back) is not None:
            if caller.f_code is use_case.__code__ and not reached.is_set():
                reached.set()
                raise error
            frame = caller

    return strike, reached


async def send_now(placet: Product) -> None:
    """Have the sweep take what the relay of a dead process has left, without the wait."""
    await placet.running.query("approval", "UPDATE outbox SET next_send_at = now()")
    await placet.running.query("executor", "UPDATE outbox SET next_send_at = now()")


@pytest.mark.parametrize("point", POINTS)
async def test_a_decision_that_dies_is_made_or_not(fragile: Product, point: str) -> None:
    """Dead before the commit, nothing has happened; after it, all has. Asked again, both resume."""
    from placet_approval.handlers.decisions import decide

    run_id = await fragile.start("one-gate", "x")
    approval = await fragile.paused(run_id)
    strike, _ = once_in(decide, fail.Crash())
    fail.arm(point, strike)
    with pytest.raises(asyncio.CancelledError):  # no answer: the process is dead
        await fragile.decide(approval, "approve", comment="first")

    found = await fragile.approval(approval["id"])
    waiting = await fragile.running.query("approval", "SELECT type FROM outbox WHERE type = 'approval.resolved.v1'")
    if point == "outbox.before_commit":
        assert (found, waiting) == (approval, [])
    else:
        assert (found["status"], found["comment"], len(waiting)) == ("approved", "first", 1)
        await send_now(fragile)
        assert (await fragile.ended(run_id))["output"] == "x"
    await fragile.approve(approval, comment="again")

    assert (await fragile.ended(run_id))["output"] == "x"
    assert done[run_id] == ["entered", "entered", "effect"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_start_that_dies_is_taken_or_not(fragile: Product, point: str) -> None:
    """Repeated with its id, a start that was not answered is one run."""
    from placet_approval.handlers.runs import start

    body = {"workflow": "rounds", "input": 0, "runId": "run-1"}
    strike, _ = once_in(start, fail.Crash())
    fail.arm(point, strike)
    with pytest.raises(asyncio.CancelledError):
        await fragile.http.post("/v1/runs", json=body)

    known = (await fragile.http.get("/v1/runs/run-1")).status_code
    if point == "outbox.before_commit":
        assert known == 404
    else:
        assert known == 200
        await send_now(fragile)
        assert (await fragile.ended("run-1"))["status"] == "completed"
    assert (await fragile.http.post("/v1/runs", json=body)).status_code == 202

    assert (await fragile.ended("run-1"))["status"] == "completed"


@pytest.mark.parametrize("point", POINTS)
async def test_a_pause_that_dies_is_made_or_not(fragile: Product, point: str) -> None:
    """A worker that dies as its run pauses leaves one approval in the end, not none and not two."""
    from placet_executor.handlers.passes import end_passes

    await fragile.running.stop("executor")
    fragile.running.lease = timedelta(seconds=1)
    await fragile.running.start("executor")
    strike, reached = once_in(end_passes, fail.Crash())
    fail.arm(point, strike)

    run_id = await fragile.start("one-gate", "x")
    await reached.wait()
    if point == "outbox.after_commit":
        await eventually(lambda: _is_paused(fragile, run_id))
        await send_now(fragile)
    await fragile.approve(await fragile.paused(run_id))

    run = await fragile.ended(run_id)
    assert (run["output"], len(run["approvals"])) == ("x", 1)
    passes = 2 if point == "outbox.after_commit" else 3  # the pass that was lost is run again
    assert done[run_id] == ["entered"] * passes + ["effect"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_resolution_that_stumbles_resumes_once(fragile: Product, point: str) -> None:
    """A receiver that fails before or after its commit gets the resolution again, and the run goes on once."""
    from placet_executor.handlers.resolutions import on_approval_resolved

    run_id = await fragile.start("one-gate", "x")
    approval = await fragile.paused(run_id)
    strike, reached = once_in(on_approval_resolved, RuntimeError("not now"))
    fail.arm(point, strike)

    await fragile.approve(approval)

    await reached.wait()
    assert (await fragile.ended(run_id))["output"] == "x"
    assert done[run_id] == ["entered", "entered", "effect"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_cancellation_that_dies_is_made_or_not(fragile: Product, point: str) -> None:
    """Its approval and its run are cancelled together, or neither is."""
    from placet_approval.handlers.runs import cancel

    run_id = await fragile.start("one-gate")
    approval = await fragile.paused(run_id)
    strike, _ = once_in(cancel, fail.Crash())
    fail.arm(point, strike)
    with pytest.raises(fail.Crash):
        await fragile.cancel(run_id)

    if point == "outbox.before_commit":
        assert await fragile.approval(approval["id"]) == approval
        assert (await fragile.run(run_id))["cancelledBy"] is None
        await fragile.cancel(run_id)
    else:
        assert (await fragile.approval(approval["id"]))["status"] == "cancelled"
        await send_now(fragile)

    assert (await fragile.ended(run_id))["status"] == "cancelled"
    assert done[run_id] == ["entered"]


async def _is_paused(placet: Product, run_id: str) -> bool:
    return await placet.status_in_executor(run_id) == "paused"
