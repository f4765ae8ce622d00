"""A run from its start to its end, over the REST API and on both buses: pause, decide, go on."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import generate_latest
from pydantic import BaseModel

from kit.product import Product, another_executor, product
from kit.rabbitmq import delete_namespace
from kit.waiting import eventually
from placet import ApprovalRefused, Context, Email, Interrupt, NotRetryable, Placet, SyncContext

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()

# What handlers did, by run id: outside of everything that is tested.
done: defaultdict[str, list[str]] = defaultdict(list)
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)  # what handlers wait for, by run id


class DeleteUser(BaseModel):
    user_id: str
    hard: bool = False


class Deleted(BaseModel):
    user_id: str
    by: str


@app.workflow("delete-user")
async def delete_user(ctx: Context[DeleteUser], input: DeleteUser) -> Deleted | Interrupt:
    done[ctx.run_id].append("entered")
    if not ctx.approved:
        return Interrupt.approval(message=f"Delete {input.user_id}?", title="Deletion", context={"rows": 3})
    done[ctx.run_id].append("deleted")
    approval = ctx.approval()
    assert approval is not None
    return Deleted(user_id=input.user_id, by=approval.resolved_by)


@app.workflow("raises-it")
async def raises_it(ctx: Context, input: str) -> str:
    if not ctx.approved:
        raise Interrupt(message=input)
    return input.upper()


@app.workflow("resumes-on-reject")
async def resumes_on_reject(ctx: Context, input: Any) -> list[str | None] | Interrupt:
    approval = ctx.approval()
    if approval is None:
        return Interrupt.approval(on_reject="resume", expires_in=input)
    return [approval.outcome, approval.resolved_by, approval.comment]


@app.workflow("two-gates")
async def two_gates(ctx: Context, input: None) -> list[str]:
    passed = []
    for gate in ("legal", "money"):
        approval = await ctx.require_approval(gate, message=f"{gate}?")
        done[ctx.run_id].append(gate)
        passed.append(f"{gate} by {approval.resolved_by}")
    return passed


@app.workflow("requires")
async def requires(ctx: Context, input: None) -> str:
    try:
        approval = await ctx.require_approval("legal", message="May we?", on_reject="resume")
    except ApprovalRefused as refused:
        return f"{refused.gate} {refused.outcome}: {refused.comment}"
    return f"approved: {approval.comment}"


@app.workflow("steps")
async def steps(ctx: Context, input: int) -> list[int]:
    async def double() -> int:
        done[ctx.run_id].append("double")
        return input * 2

    def add() -> int:
        done[ctx.run_id].append("add")
        return input + 1

    doubled = await ctx.step("double", double)
    await ctx.require_approval("first")
    added = await ctx.step("add", add)
    await ctx.require_approval("second")
    return [doubled, added]


@app.workflow("tells")
async def tells(ctx: Context, input: None) -> Interrupt | None:
    await ctx.notify(message="begun", destination=Email("ana@example.com"))
    if not ctx.approved:
        return Interrupt.approval()
    return None


@app.workflow("sync")
def sync(ctx: SyncContext, input: int) -> int | Interrupt:
    tripled = ctx.step("triple", lambda: input * 3)
    if not ctx.approved:
        return Interrupt.approval(message="Go on in a thread?")
    return tripled


@app.workflow("stumbles", retries=2)
async def stumbles(ctx: Context, input: int) -> int:
    done[ctx.run_id].append(f"{time.monotonic()}")
    if ctx.attempt <= input:
        raise RuntimeError(f"attempt {ctx.attempt}")
    return ctx.attempt


@app.workflow("gives-up", retries=5)
async def gives_up(ctx: Context, input: None) -> None:
    done[ctx.run_id].append("entered")
    raise NotRetryable("there is no such account")


@app.workflow("takes-long")
async def takes_long(ctx: Context, input: None) -> str:
    done[ctx.run_id].append("entered")
    try:
        await gates[ctx.run_id].wait()
    except asyncio.CancelledError:
        done[ctx.run_id].append("stopped")
        raise
    return f"attempt {ctx.attempt}"


@app.workflow("passes")
async def counts_passes(ctx: Context, input: None) -> str:
    done[ctx.run_id].append("entered")
    this = f"pass {len(done[ctx.run_id])}"
    await gates[f"{ctx.run_id} {this}"].wait()
    return this


@app.workflow("expires")
async def expires(ctx: Context, input: float) -> Interrupt | None:
    done[ctx.run_id].append("entered")
    return None if ctx.approved else Interrupt.approval(expires_in=timedelta(seconds=input))


@app.workflow("versioned", version=1)
async def versioned_1(ctx: Context, input: None) -> str | Interrupt:
    return "first" if ctx.approved else Interrupt.approval()


@app.workflow("versioned", version=3)
async def versioned_3(ctx: Context, input: None) -> str | Interrupt:
    return "third" if ctx.approved else Interrupt.approval()


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["rabbit", "local"])
async def placet(request: pytest.FixtureRequest, postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """One deployment for all tests that leave it running."""
    async with product(request.param, app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", params=["rabbit", "local"])
async def own(request: pytest.FixtureRequest, postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment of the test's own, to stop and start."""
    async with product(request.param, app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def on_rabbit(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment of the test's own, with a broker that others can be at, too."""
    async with product("rabbit", app, postgres_url, amqp_url) as made:
        yield made


async def test_it_waits_for_a_yes_and_then_goes_on(placet: Product) -> None:
    """A started run pauses with all that a decider needs to see; approved, it completes with its output."""
    run_id = await placet.start("delete-user", {"user_id": "u1"})

    approval = await placet.paused(run_id)
    assert {name: approval[name] for name in ("status", "gate", "title", "message", "context", "input")} == {
        "status": "pending",
        "gate": "approval",
        "title": "Deletion",
        "message": "Delete u1?",
        "context": {"rows": 3},
        "input": {"user_id": "u1"},
    }
    assert (approval["runId"], approval["requestedBy"]) == (run_id, "key:admin")
    assert done[run_id] == ["entered"]
    await placet.approve(approval, comment="fine")

    run = await placet.ended(run_id)
    assert (run["status"], run["output"], run["error"]) == ("completed", {"user_id": "u1", "by": "key:admin"}, None)
    assert done[run_id] == ["entered", "entered", "deleted"]
    timeline = (await placet.approval(approval["id"]))["timeline"]
    assert [(entry["kind"], entry["actor"], entry["comment"]) for entry in timeline] == [
        ("opened", "key:admin", None),
        ("approved", "key:admin", "fine"),
    ]


async def test_a_no_ends_it(placet: Product) -> None:
    """A rejected run ends as rejected, says by whom and why, and its handler is not entered again."""
    run_id = await placet.start("delete-user", {"user_id": "u1"})

    await placet.reject(await placet.paused(run_id), comment="not her")

    run = await placet.ended(run_id)
    assert (run["status"], run["output"], run["gate"]) == ("rejected", None, None)
    assert run["error"]["type"] == "ApprovalRejected"
    assert "key:admin rejected" in run["error"]["message"]
    assert "not her" in run["error"]["message"]
    assert done[run_id] == ["entered"]


async def test_a_no_is_an_answer_where_the_author_wants_it(placet: Product) -> None:
    """With on_reject="resume" a rejected run goes on, and knows who said no and why."""
    run_id = await placet.start("resumes-on-reject")

    await placet.reject(await placet.paused(run_id), comment="why should we")

    run = await placet.ended(run_id)
    assert (run["status"], run["output"]) == ("completed", ["rejected", "key:admin", "why should we"])


async def test_silence_is_an_answer_where_the_author_wants_it(placet: Product) -> None:
    """With on_reject="resume" an expired run goes on, and knows that it was the clock."""
    run_id = await placet.start("resumes-on-reject", 0.2)

    run = await placet.ended(run_id)
    assert (run["status"], run["output"]) == ("completed", ["expired", "clock", None])


async def test_each_gate_has_its_own_answer(placet: Product) -> None:
    """A yes at the first gate opens no second one."""
    run_id = await placet.start("two-gates")

    legal = await placet.paused(run_id)
    await placet.approve(legal)
    money = await placet.paused(run_id)
    assert (legal["gate"], money["gate"]) == ("legal", "money")
    assert legal["id"] != money["id"]
    assert done[run_id] == ["legal"]
    await placet.approve(money)

    run = await placet.ended(run_id)
    assert run["output"] == ["legal by key:admin", "money by key:admin"]
    assert [(approval["gate"], approval["status"]) for approval in run["approvals"]] == [
        ("legal", "approved"),
        ("money", "approved"),
    ]


async def test_a_no_at_the_second_gate_ends_it(placet: Product) -> None:
    """What the first gate has approved does not carry a run over a rejected second one."""
    run_id = await placet.start("two-gates")
    await placet.approve(await placet.paused(run_id))

    await placet.reject(await placet.paused(run_id))

    assert (await placet.ended(run_id))["status"] == "rejected"
    assert done[run_id] == ["legal"]


async def test_an_interrupt_may_be_raised(placet: Product) -> None:
    """Raised from wherever, an interrupt pauses as one that is returned."""
    run_id = await placet.start("raises-it", "go")

    approval = await placet.paused(run_id)
    await placet.approve(approval)

    assert approval["message"] == "go"
    assert (await placet.ended(run_id))["output"] == "GO"


@pytest.mark.parametrize(
    ("decision", "output"), [("approve", "approved: because"), ("reject", "legal rejected: because")]
)
async def test_a_required_approval_is_given_or_refused(placet: Product, decision: str, output: str) -> None:
    """`require_approval` pauses, and then gives the approval or says that it was refused."""
    run_id = await placet.start("requires")

    answer = await placet.decide(await placet.paused(run_id), decision, comment="because")

    assert answer.status_code == 200
    run = await placet.ended(run_id)
    assert (run["status"], run["output"]) == ("completed", output)


async def test_a_step_runs_once_however_often_the_handler_does(placet: Product) -> None:
    """Three passes over two gates: each step has run once, and its result is there in the end."""
    run_id = await placet.start("steps", 20)

    await placet.approve(await placet.paused(run_id))
    await placet.approve(await placet.paused(run_id))

    assert (await placet.ended(run_id))["output"] == [40, 21]
    assert done[run_id] == ["double", "add"]


async def test_somebody_is_told_once_however_often_the_handler_runs(placet: Product) -> None:
    """A notification without a pause goes out once, in the first pass."""
    run_id = await placet.start("tells")

    await placet.approve(await placet.paused(run_id))
    await placet.ended(run_id)

    async def told() -> list[dict[str, Any]]:
        return await placet.running.query("notifier", "SELECT channel FROM deliveries WHERE run_id = $1", run_id)

    await eventually(told)
    assert await told() == [{"channel": "email"}]
    asked = await placet.running.query("executor", "SELECT key FROM notifications WHERE run_id = $1", run_id)
    assert len(asked) == 1


async def test_a_handler_need_not_be_async(placet: Product) -> None:
    """A sync handler runs in a thread, with steps and gates like any other."""
    run_id = await placet.start("sync", 5)

    await placet.approve(await placet.paused(run_id))

    assert (await placet.ended(run_id))["output"] == 15


async def test_a_stumbling_handler_is_tried_again_later_and_later(placet: Product) -> None:
    """Each retry waits about twice as long as the one before; then the run completes, and no error is left."""
    run_id = await placet.start("stumbles", 2)

    run = await placet.ended(run_id)
    assert (run["status"], run["output"], run["attempt"], run["error"]) == ("completed", 3, 3, None)
    first, second, third = (float(at) for at in done[run_id])
    assert second - first >= 0.8 * 0.010
    assert third - second >= 0.8 * 0.020


async def test_a_handler_that_goes_on_stumbling_fails_its_run(placet: Product) -> None:
    """After its retries a run fails with the last error."""
    run_id = await placet.start("stumbles", 100)

    run = await placet.ended(run_id)
    assert (run["status"], run["output"], run["attempt"]) == ("failed", None, 3)
    assert "in stumbles" in run["error"].pop("traceback")
    assert run["error"] == {"type": "RuntimeError", "message": "attempt 3", "details": []}
    assert len(done[run_id]) == 3


async def test_what_no_retry_can_mend_fails_at_once(placet: Product) -> None:
    """An error that says so ends the run in its first attempt, whatever retries there are."""
    run_id = await placet.start("gives-up")

    run = await placet.ended(run_id)
    assert (run["status"], run["error"]["message"]) == ("failed", "there is no such account")
    assert done[run_id] == ["entered"]


async def test_an_input_that_does_not_fit_fails_before_the_handler(placet: Product) -> None:
    """Field errors say what is wrong, without the values; no line of the handler has run."""
    run_id = await placet.start("delete-user", {"user_id": ["secret"], "hard": "secret"})

    run = await placet.ended(run_id)
    assert (run["status"], run["error"]["type"], run["attempt"]) == ("failed", "InputInvalid", 1)
    assert [detail["loc"] for detail in run["error"]["details"]] == [["user_id"], ["hard"]]
    assert "secret" not in str(run["error"])
    assert done[run_id] == []


async def test_nobody_answering_ends_it(placet: Product) -> None:
    """An approval that has expired ends its run as rejected; a decision comes too late, and is told so."""
    run_id = await placet.start("expires", 0.2)
    run = await placet.ended(run_id)

    assert (run["status"], run["error"]["type"]) == ("rejected", "ApprovalExpired")
    [opened] = run["approvals"]
    approval = await placet.approval(opened["id"])
    assert (approval["status"], approval["resolvedBy"]) == ("expired", "clock")
    assert approval["resolvedAt"] >= approval["expiresAt"]
    late = await placet.decide(approval, "approve")
    assert (late.status_code, late.json()["outcome"]) == (409, "expired")
    assert done[run_id] == ["entered"]


async def test_the_clock_is_that_of_the_database(placet: Product) -> None:
    """An approval's deadline is counted by Postgres, from the moment at which it opened."""
    run_id = await placet.start("expires", 3600)

    approval = await placet.paused(run_id)

    [row] = await placet.running.query(
        "approval", "SELECT expires_at - opened_at AS window FROM approvals WHERE run_id = $1", run_id
    )
    assert row["window"] == timedelta(hours=1)
    await placet.running.query(
        "approval", "UPDATE approvals SET expires_at = now() WHERE id = $1::text::uuid", approval["id"]
    )
    assert (await placet.ended(run_id))["status"] == "rejected"


async def test_a_paused_run_can_be_cancelled(placet: Product) -> None:
    """Its approval ends with it, at once; a late yes is told the true outcome, and opens nothing."""
    run_id = await placet.start("delete-user", {"user_id": "u1"})
    approval = await placet.paused(run_id)

    answer = await placet.cancel(run_id)
    late = await placet.decide(approval, "approve")

    assert answer.status_code == 202
    assert [found["status"] for found in answer.json()["approvals"]] == ["cancelled"]
    assert (late.status_code, late.json()["outcome"], late.json()["resolvedBy"]) == (409, "cancelled", "key:admin")
    run = await placet.ended(run_id)
    assert (run["status"], run["cancelledBy"], run["gate"]) == ("cancelled", "key:admin", None)
    assert done[run_id] == ["entered"]


async def test_a_running_run_can_be_cancelled(placet: Product) -> None:
    """Its handler is stopped where it waits, and is not called again."""
    run_id = await placet.start("takes-long")
    await eventually(lambda: asyncio.sleep(0, done[run_id]))

    await placet.cancel(run_id)

    assert (await placet.ended(run_id))["status"] == "cancelled"
    await eventually(lambda: asyncio.sleep(0, done[run_id] == ["entered", "stopped"]))


async def test_a_parked_run_can_be_cancelled(placet: Product) -> None:
    """A run that nobody serves ends as cancelled, and is parked no longer."""
    run_id = await placet.start("nobody-serves-this")
    await _parked(placet, run_id)

    await placet.cancel(run_id)

    run = await placet.ended(run_id)
    assert (run["status"], run["parked"]) == ("cancelled", False)


async def test_a_second_cancellation_changes_nothing(placet: Product) -> None:
    """A cancelled run is cancelled; one that has ended otherwise says how."""
    cancelled = await placet.start("takes-long")
    completed = await placet.start("stumbles", 0)
    await placet.cancel(cancelled)
    await placet.ended(cancelled)
    await placet.ended(completed)

    again = await placet.cancel(cancelled)
    late = await placet.cancel(completed)

    assert (again.status_code, again.json()["status"]) == (202, "cancelled")
    assert late.status_code == 409
    assert "completed" in late.json()["detail"]


async def test_versions_live_side_by_side(placet: Product) -> None:
    """A run stays with the version that it names; without one it gets the highest."""
    pinned = await placet.start("versioned", version=1)
    latest = await placet.start("versioned")

    for run_id in (pinned, latest):
        await placet.approve(await placet.paused(run_id))

    runs = [await placet.ended(run_id) for run_id in (pinned, latest)]
    assert [(run["version"], run["output"]) for run in runs] == [(1, "first"), (3, "third")]


async def test_a_version_that_nobody_serves_is_not_replaced_by_another(placet: Product) -> None:
    """A run that names version 2 is parked where there are 1 and 3."""
    run_id = await placet.start("versioned", version=2)

    run = await _parked(placet, run_id)

    assert (run["status"], run["version"]) == ("ready", 2)


async def test_what_nobody_serves_waits_in_sight(own: Product) -> None:
    """It is parked, found as such, counted in a metric, and goes on when an executor comes that serves it."""
    run_id = await own.start("brand-new", "x")
    await _parked(own, run_id)
    listed = (await own.http.get("/v1/runs?parked=true")).json()["items"]
    assert [run["id"] for run in listed] == [run_id]
    await own.running.stop("executor")
    async with another_executor(own.running) as old:
        await old.operations.gauges.refresh()
        assert b'placet_runs{state="parked"} 1.0' in generate_latest()

    newer = Placet()

    @newer.workflow("brand-new", version=4)
    async def brand_new(ctx: Context, input: str) -> str:
        return input * 2

    async with another_executor(own.running, newer):
        run = await own.ended(run_id)

    assert (run["status"], run["version"], run["output"], run["parked"]) == ("completed", 4, "xx", False)


async def test_a_paused_run_outlives_its_version(own: Product) -> None:
    """Approved after its version has gone, a run is parked in sight, and goes on when that version is back."""
    run_id = await own.start("versioned", version=1)
    approval = await own.paused(run_id)
    await own.running.stop("executor")
    later = Placet()
    later.workflow("versioned", version=3)(versioned_3)

    async with another_executor(own.running, later):
        await own.approve(approval)
        await _parked(own, run_id)
    await own.running.start("executor")

    run = await own.ended(run_id)
    assert (run["version"], run["output"]) == (1, "first")


async def test_a_paused_run_is_in_nobodys_way(own: Product) -> None:
    """Where one run at a time is executed, a paused one does not block the next."""
    await own.running.stop("executor")

    async with another_executor(own.running, concurrency=1):
        waiting = [await own.start("delete-user", {"user_id": f"u{n}"}) for n in range(3)]
        approvals = [await own.paused(run_id) for run_id in waiting]
        passing = await own.start("stumbles", 0)
        assert (await own.ended(passing))["status"] == "completed"
        for approval in approvals:
            await own.approve(approval)
        assert {(await own.ended(run_id))["status"] for run_id in waiting} == {"completed"}


async def test_every_service_may_restart_while_a_run_waits(own: Product) -> None:
    """Nothing of a paused run lives in a process: all of them go and come, and it completes."""
    run_id = await own.start("steps", 1)
    first = await own.paused(run_id)
    await own.running.stop()
    await own.running.start()

    await own.approve(first)
    second = await own.paused(run_id)
    await own.running.stop("executor", "notifier")
    await own.approve(second)
    await own.running.stop("approval")
    await own.running.start()

    assert (await own.ended(run_id))["output"] == [2, 2]
    assert done[run_id] == ["double", "add"]


async def test_a_run_may_be_cancelled_before_any_executor_is_there(own: Product) -> None:
    """The executor that comes up later hears of the run and of its cancellation in any order: it ends as cancelled."""
    await own.running.stop("executor")
    run_id = await own.start("delete-user", {"user_id": "u1"})
    answer = await own.cancel(run_id)
    assert answer.status_code == 202

    await own.running.start("executor")

    assert (await own.ended(run_id))["status"] == "cancelled"
    assert "deleted" not in done[run_id]


async def test_a_leaving_executor_gives_back_what_it_cannot_finish(own: Product) -> None:
    """At SIGTERM a pass that takes too long is stopped and released: the next one goes on, at no cost of an attempt."""
    await own.running.stop("executor")
    async with another_executor(own.running, drain=timedelta(seconds=0.05)):
        run_id = await own.start("takes-long")
        await eventually(lambda: asyncio.sleep(0, done[run_id]))
    assert done[run_id] == ["entered", "stopped"]
    assert await own.status_in_executor(run_id) == "ready"

    gates[run_id].set()
    await own.running.start("executor")

    assert (await own.ended(run_id))["output"] == "attempt 1"


async def test_a_leaving_executor_lets_passes_finish(own: Product) -> None:
    """What ends within the time to drain is committed by the executor that began it."""
    run_id = await own.start("takes-long")
    await eventually(lambda: asyncio.sleep(0, done[run_id]))

    stopping = asyncio.create_task(own.running.stop("executor"))
    await asyncio.sleep(0)
    gates[run_id].set()
    await stopping

    assert await own.status_in_executor(run_id) == "completed"
    assert done[run_id] == ["entered"]


async def test_another_executor_takes_over_from_one_that_stalls(on_rabbit: Product) -> None:
    """When leases are not renewed, somebody else goes on; the stalled one wakes up late, and cannot commit."""
    await on_rabbit.running.stop("executor")
    lease = timedelta(seconds=1)
    async with another_executor(on_rabbit.running, lease=lease, concurrency=1) as stalled:
        run_id = await on_rabbit.start("passes")
        await eventually(lambda: asyncio.sleep(0, done[run_id]))
        await stalled.operations.loops.stop("keep", "reconcile")

        async with another_executor(on_rabbit.running, lease=lease):
            await eventually(lambda: asyncio.sleep(0, done[run_id] == ["entered", "entered"]))
            gates[f"{run_id} pass 1"].set()
            await eventually(lambda: asyncio.sleep(0, _executed(run_id) == 1))
            [held] = await on_rabbit.running.query("executor", "SELECT * FROM runs WHERE id = $1", run_id)
            gates[f"{run_id} pass 2"].set()
            run = await on_rabbit.ended(run_id)

    assert (held["status"], held["fence"], held["lost_leases"], held["failures"]) == ("running", 2, 1, 0)
    assert held["worker"] != stalled.deps.worker
    assert (run["status"], run["output"], run["attempt"]) == ("completed", "pass 2", 1)


async def test_a_broker_that_loses_everything_loses_no_run(on_rabbit: Product, amqp_url: str) -> None:
    """All queues are deleted while a run is paused; it is decided, and completes."""
    run_id = await on_rabbit.start("delete-user", {"user_id": "u1"})
    approval = await on_rabbit.paused(run_id)

    await delete_namespace(amqp_url, on_rabbit.running.namespace, exchanges=False)
    await on_rabbit.approve(approval)

    assert (await on_rabbit.ended(run_id))["status"] == "completed"


def _executed(run_id: str) -> int:
    """How many passes of a run are under way in this process, whoever holds its lease."""
    return sum(task.get_name() == f"run {run_id}" for task in asyncio.all_tasks())


async def _parked(placet: Product, run_id: str) -> dict[str, Any]:
    async def look() -> bool:
        return bool((await placet.run(run_id))["parked"])

    await eventually(look)
    return await placet.run(run_id)
