"""What the state machine has found, each as small as it can be told."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from kit.simulation import audit
from kit.simulation.processes import Attempt, Executor
from kit.simulation.world import World
from placet_approval.domain import AlreadyResolved, Approval, Caller, ContentChanged, Decision, Run, Start
from placet_approval.handlers import decisions, reading, requests
from placet_approval.handlers import runs as running
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalRequested, RunChanged, WorkflowStart
from placet_executor.domain import LeaseLost
from placet_executor.handlers import intake, leases, passes


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A simulated deployment."""
    async with World.on(database_url) as world:
        await world.pools["approval"].execute(audit.SCHEMA)
        await world.begin()
        yield world
        await world.end()


# --- decisions


async def test_a_stale_decision_does_not_stand_in_the_way_of_the_next(world: World) -> None:
    """A decision on something else than is asked is refused, and one beside it that is right resolves the approval."""
    id = await asked(world)

    stale, right = await decisions.decide(
        world.approvers[0].deps, [decision(id, "approve", "key:ana", digest="sha256:00"), decision(id, "reject")]
    )

    assert isinstance(right, Approval)
    assert right.status == "rejected"
    assert isinstance(stale, AlreadyResolved)


async def test_who_is_too_late_is_told_what_stays_true(world: World) -> None:
    """A decision after the deadline ends its approval as expired; a cancellation that follows changes nothing of it."""
    id = await asked(world, expires_in=60)
    await world.pass_time(61)

    [late] = await decisions.decide(world.approvers[0].deps, [decision(id, "approve")])
    await running.cancel(world.approvers[0].deps, "run-1", Caller("key:ana", frozenset({"admin"})))

    assert isinstance(late, AlreadyResolved)
    assert (late.status, late.resolved_by) == ("expired", "clock")
    assert await statuses(world) == {id: "expired"}


async def test_a_decision_on_what_was_not_shown_leaves_the_approval_open(world: World) -> None:
    """Alone, a decision on something else than is asked is refused, and resolves nothing."""
    id = await asked(world)

    [refused] = await decisions.decide(world.approvers[0].deps, [decision(id, "approve", digest="sha256:00")])

    assert isinstance(refused, ContentChanged)
    assert await statuses(world) == {id: "pending"}


# --- starts


async def test_a_run_is_shown_as_it_was_started(world: World) -> None:
    """A refused start that names the same run does not lend its input to it."""
    executor = world.executors[0].deps
    await intake.on_workflow_start(executor, [start("event-1", "run-1", input=1)])

    await intake.on_workflow_start(
        executor, [start("event-1", "run-2", input=2), start("event-2", "run-2", "doomed", input=3)]
    )
    await settle(world)

    [run] = await reading.get_runs(world.approvers[0].deps, ["run-2"])
    assert isinstance(run, Run)
    assert (run.workflow, run.input) == ("doomed", "3")


async def test_an_event_that_comes_again_with_another_run_id_is_kept(world: World) -> None:
    """It starts nothing, and whoever looks for the run that it names finds the event in quarantine."""
    executor = world.executors[0].deps
    await intake.on_workflow_start(executor, [start("event-1", "run-1")])

    await intake.on_workflow_start(executor, [start("event-1", "run-2")])
    await intake.on_workflow_start(executor, [start("event-1", "run-1"), start("event-1", None)])

    reasons = [row["reason"] for row in await world.pools["executor"].fetch("SELECT reason FROM quarantine")]
    assert reasons == ["event 'event-1' of 'shop' came before with another run id"]


async def test_the_run_that_there_is_is_shown(world: World) -> None:
    """Where a message from outside was faster in using a run's id, the API shows what runs, not what it was asked."""
    await running.start(world.approvers[0].deps, [Start("run-1", "one", None, "1", "key:ana", None)])
    await intake.on_workflow_start(world.executors[0].deps, [start("event-1", "run-1", "doomed", input=2)])
    await settle(world)

    [run] = await reading.get_runs(world.approvers[0].deps, ["run-1"])

    assert isinstance(run, Run)
    assert (run.workflow, run.input, run.requested_by) == ("doomed", "2", "shop")


# --- passes


async def test_of_two_passes_of_one_run_only_the_later_one_ends_it(world: World) -> None:
    """A worker that had stalled brings both endings in one batch: the run goes on as the later one says."""
    stale, live = await two_passes(world, "doomed")
    assert stale.asked
    assert live.asked

    told = await passes.end_passes(world.executors[0].deps, [live.asked[1], stale.asked[1]])

    assert [type(result) for result in told] == [type(None), LeaseLost]
    [gate] = await world.pools["executor"].fetch("SELECT approval_id FROM gates")
    assert gate["approval_id"] == live.asked[1][0].gate.approval_id


async def test_of_two_passes_of_one_run_only_the_later_one_records_steps(world: World) -> None:
    """A worker that had stalled brings both results in one batch: the later pass's is the one that is replayed."""
    stale, live = await two_passes(world, "none")
    assert stale.asked
    assert live.asked

    told = await passes.record_steps(world.executors[0].deps, [stale.asked[1], live.asked[1]])

    assert [type(result) for result in told] == [LeaseLost, datetime]
    assert await world.pools["executor"].fetchval("SELECT result FROM steps") == live.asked[1].result


async def test_recording_a_step_again_is_no_lost_lease(world: World) -> None:
    """The database was away when a step was committed: the pass repeats it, and goes on."""
    await intake.on_workflow_start(world.executors[0].deps, [start("event-1", "run-1", "none")])
    [attempt] = await claim(world.executors[0], world)
    assert attempt.asked

    told = [await passes.record_steps(world.executors[0].deps, [attempt.asked[1]]) for _ in range(2)]

    assert [type(result) for results in told for result in results] == [datetime, datetime]


async def test_two_passes_of_one_run_tell_people_once(world: World) -> None:
    """A worker that had stalled asks for the same notification twice in one batch: it goes out once."""
    _, live = await two_passes(world, "one")
    await world.go_on([live])
    assert live.asked
    assert live.asked[0] == "notify"
    run_id, fence, *told = live.asked[1]

    await passes.record_notifications(world.executors[0].deps, [(run_id, fence - 1, *told), live.asked[1]])

    count = await world.pools["executor"].fetchval(
        "SELECT count(*) FROM outbox WHERE type = 'notification.requested.v1'"
    )
    assert count == 1


# --- approvals


async def test_an_end_that_nobody_waits_for_cancels_the_approval_that_opens_beside_it(world: World) -> None:
    """A run ends while its approval opens, and neither was heard of before: the approval does not stay open."""
    request = requested()
    ended = RunChanged(run_id="run-1", seq=3, status="cancelled", workflow="one", version=1, at=datetime.now(UTC))
    first, second = world.approvers

    await world.overlap(
        first,
        requests.on_approval_requested(first.deps, [CloudEvent(str(uuid4()), "placet/executor", request)]),
        second,
        requests.on_run_changed(second.deps, [CloudEvent(str(uuid4()), "placet/executor", ended)]),
    )

    assert await statuses(world) == {request.approval_id: "cancelled"}


def start(event_id: str, run_id: str | None, workflow: str = "one", *, input: int = 1) -> CloudEvent[WorkflowStart]:
    data = WorkflowStart(workflow=workflow, run_id=run_id, input=input, requested_by="shop")
    return CloudEvent(event_id, "shop", data)


def requested(*, expires_in: float | None = None) -> ApprovalRequested:
    return ApprovalRequested(
        approval_id=uuid4(),
        run_id="run-1",
        workflow="one",
        version=1,
        gate="approval",
        digest="sha256:11",
        expires_in=expires_in,
    )


async def asked(world: World, *, expires_in: float | None = None) -> UUID:
    """The id of an approval that waits for a decision."""
    request = requested(expires_in=expires_in)
    event = CloudEvent(str(uuid4()), "placet/executor", request)
    await requests.on_approval_requested(world.approvers[0].deps, [event])
    return request.approval_id


def decision(id: UUID, verdict: Any, actor: str = "key:bo", *, digest: str | None = None) -> Decision:
    return Decision(id, verdict, actor, "api", None, digest)


async def statuses(world: World) -> dict[UUID, str]:
    rows = await world.pools["approval"].fetch("SELECT id, status FROM approvals")
    return {row["id"]: row["status"] for row in rows}


async def settle(world: World) -> None:
    """Deliver everything."""
    await world.deliver_all(random.Random(0))


async def claim(executor: Executor, world: World) -> list[Attempt]:
    """What is due, each standing at its first write."""
    before = len(executor.passes)
    await world.claim(executor, 10)
    return executor.passes[before:]


async def two_passes(world: World, workflow: str) -> tuple[Attempt, Attempt]:
    """Two passes of one run in one process: one that has lost its lease without noticing, and the one that holds it."""
    executor = world.executors[0]
    await intake.on_workflow_start(executor.deps, [start("event-1", "run-1", workflow)])
    [stale] = await claim(executor, world)
    await world.pass_time(31)
    await leases.register(executor.deps)
    await leases.reconcile(executor.deps)
    [live] = await claim(executor, world)
    return stale, live
