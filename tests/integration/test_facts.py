"""What is known of a run beside its state: what it did, what went wrong on the way; and what can be started at all."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import BaseModel, Field

from kit.product import Product, product
from kit.waiting import eventually
from placet import Context, Interrupt, NotRetryable, Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()
tries: defaultdict[tuple[str, str], int] = defaultdict(int)
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)  # what steps wait for, by run id


class Refund(BaseModel):
    order: str
    amount: int = Field(gt=0, description="In cents")


async def look_up(run_id: str, name: str, fails: int = 0) -> str:
    tries[run_id, name] += 1
    if tries[run_id, name] <= fails:
        raise ConnectionError(f"{name} is away")
    return "secret result"


@app.workflow("refund", version=1)
async def old_refund(ctx: Context, input: Any) -> Any:
    """Give money back."""


@app.workflow("refund", version=2)
async def refund(ctx: Context, input: Refund) -> str | Interrupt:
    """Give money back,
    once somebody has said yes.

    Not part of the description.
    """
    await ctx.step("order", look_up, ctx.run_id, "order")
    await ctx.step("customer", look_up, ctx.run_id, "customer", fails=2)
    if not ctx.approved:
        return Interrupt.approval(message="Give it back?")
    await ctx.step("pay", look_up, ctx.run_id, "pay")
    return "paid"


@app.workflow("breaks")
async def breaks(ctx: Context, input: Any) -> None:
    await ctx.step("order", look_up, ctx.run_id, "order")
    raise NotRetryable("never again")


@app.workflow("lasts")
async def lasts(ctx: Context, input: Any) -> None:
    await ctx.step("order", look_up, ctx.run_id, "order")
    await gates[ctx.run_id].wait()


@app.workflow("hangs-in-a-step", timeout=0.2, retries=1)
async def hangs(ctx: Context, input: Any) -> str:
    await ctx.step("order", look_up, ctx.run_id, "order")
    if ctx.attempt == 1:
        await asyncio.Event().wait()
    return "done"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- steps and retries


async def test_what_a_run_did_is_shown_before_and_after_its_gate(placet: Product) -> None:
    """Its steps with when they began and ended and in which attempt, its retries with the error; never a result."""
    id = await placet.start("refund", {"order": "o-1", "amount": 5})

    approval = await placet.paused(id)
    before = await placet.run(id)
    await placet.approve(approval)
    after = await placet.ended(id)

    assert [(s["name"], s["attempt"]) for s in before["steps"]] == [("order", 1), ("customer", 3)]
    assert [(s["name"], s["attempt"]) for s in after["steps"]] == [("order", 1), ("customer", 3), ("pay", 3)]
    assert [(r["attempt"], r["error"]["type"], r["error"]["message"]) for r in after["retries"]] == [
        (1, "ConnectionError", "customer is away"),
        (2, "ConnectionError", "customer is away"),
    ]
    assert "in refund" in after["retries"][0]["error"]["traceback"]
    assert _at(after["createdAt"]) <= _at(after["retries"][0]["at"]) < _at(after["retries"][1]["at"])
    assert all(_at(step["startedAt"]) <= _at(step["endedAt"]) for step in after["steps"])
    assert "secret result" not in str(after)


async def test_a_step_is_shown_as_long_as_it_took(placet: Product) -> None:
    """Its end is when its result was stored, its begin that much earlier."""
    id = await placet.start("takes-its-time")
    run = await placet.ended(id)
    [step] = run["steps"]

    assert 0.2 <= (_at(step["endedAt"]) - _at(step["startedAt"])).total_seconds() < 5
    assert _at(run["createdAt"]) <= _at(step["startedAt"])


@app.workflow("takes-its-time")
async def takes_its_time(ctx: Context, input: Any) -> None:
    await ctx.step("sleep", asyncio.sleep, 0.2)


async def test_a_failed_run_has_its_traceback(placet: Product) -> None:
    """It names the author's file and line; what ended the run is no retry."""
    run = await placet.ended(await placet.start("breaks"))

    assert run["status"] == "failed"
    assert run["error"]["traceback"].endswith("NotRetryable: never again\n")
    assert f'File "{__file__}"' in run["error"]["traceback"]
    assert [step["name"] for step in run["steps"]] == ["order"]
    assert run["retries"] == []


async def test_lists_leave_steps_and_retries_out(placet: Product) -> None:
    """They are null there: not read, instead of none."""
    await placet.ended(await placet.start("breaks"))

    page = await placet._get("/v1/runs?workflow=breaks")

    assert {(run["steps"], run["retries"]) for run in page["items"]} == {(None, None)}


async def test_a_cancelled_run_shows_what_its_pass_did(placet: Product) -> None:
    """The pass was taken away from its worker, and its steps are told all the same."""
    id = await placet.start("lasts")
    await eventually(lambda: _stored(placet, id))

    await placet.cancel(id)
    run = await placet.ended(id)

    assert [step["name"] for step in run["steps"]] == ["order"]


async def test_a_lost_lease_loses_no_step(placet: Product) -> None:
    """A worker that was taken for dead cannot tell what it did: whoever takes its run away does."""
    id = await placet.start("lasts")
    await eventually(lambda: _stored(placet, id))

    await placet.running.query(
        "executor", "UPDATE runs SET lease_until = now() - interval '1 second' WHERE id = $1", id
    )

    async def shown() -> bool:
        return [step["name"] for step in (await placet.run(id))["steps"]] == ["order"]

    await eventually(shown)
    assert (await placet.run(id))["status"] in ("ready", "running")
    gates[id].set()
    assert (await placet.ended(id))["status"] == "completed"


async def test_an_executor_that_stops_tells_what_its_passes_did(placet: Product) -> None:
    """What it gives back, another goes on with; the steps are shown while nobody has yet."""
    id = await placet.start("lasts")
    await eventually(lambda: _stored(placet, id))

    await placet.running.stop("executor")
    try:

        async def shown() -> bool:
            return [step["name"] for step in (await placet.run(id))["steps"]] == ["order"]

        await eventually(shown)
    finally:
        gates[id].set()
        await placet.running.start("executor")
    assert (await placet.ended(id))["status"] == "completed"


async def test_a_pass_that_timed_out_shows_its_steps_once(placet: Product) -> None:
    """The next attempt replays them, and they stay those of the first."""
    run = await placet.ended(await placet.start("hangs-in-a-step"))

    assert [(step["name"], step["attempt"]) for step in run["steps"]] == [("order", 1)]
    assert [(retry["attempt"], retry["error"]["type"]) for retry in run["retries"]] == [(1, "Timeout")]


async def _stored(placet: Product, id: str) -> bool:
    return bool(await placet.running.query("executor", "SELECT FROM steps WHERE run_id = $1", id))


# --- what can be started


async def test_an_executor_tells_what_it_serves(placet: Product) -> None:
    """A workflow is shown with its versions, what they do, what input they take, and how many executors serve them."""
    found = await _eventually_served(placet, "refund", True)

    assert (found["latest"], found["served"], found["executors"]) == (2, True, 1)
    assert found["description"] == "Give money back, once somebody has said yes."
    assert found["inputSchema"]["required"] == ["order", "amount"]
    assert found["inputSchema"]["properties"]["amount"]["description"] == "In cents"
    assert [(v["version"], v["description"], v["inputSchema"] is None) for v in found["versions"]] == [
        (2, "Give money back, once somebody has said yes.", False),
        (1, "Give money back.", True),
    ]
    assert [each["name"] for each in (await placet._get("/v1/workflows"))["items"] if each["served"]] == sorted(
        {name for name, _ in app.workflows}
    )


async def test_open_runs_are_counted_by_what_they_do(placet: Product) -> None:
    """Ended ones are not counted; that there was a run at all is told."""
    await _eventually_served(placet, "refund", True)
    before = (await placet._get("/v1/workflows/refund"))["runs"]
    await placet.paused(await placet.start("refund", {"order": "o-2", "amount": 5}))

    after = await placet._get("/v1/workflows/refund")

    assert after["runs"] == before | {"paused": before["paused"] + 1}
    assert after["versions"][0]["runs"]["paused"] == after["runs"]["paused"]
    assert after["hasRuns"]


async def test_what_nobody_serves_is_shown_while_runs_wait_for_it(placet: Product) -> None:
    """A workflow that no executor has ever had is listed with its parked runs, and without a version."""
    name = f"w{uuid4().hex[:8]}"
    await placet.start(name)

    async def parked() -> bool:
        found = await placet.http.get(f"/v1/workflows/{name}")
        return found.status_code == 200 and found.json()["runs"]["parked"] == 1

    await eventually(parked)
    found = await placet._get(f"/v1/workflows/{name}")
    assert (found["served"], found["latest"], found["versions"], found["seenAt"]) == (False, None, [], None)
    assert (await placet.http.get("/v1/workflows/no-such")).status_code == 404
    assert (await placet.http.get("/v1/workflows/%00")).status_code == 404


async def test_an_executor_that_stops_serves_nothing_any_more(placet: Product) -> None:
    """At a clean stop it says so, and the workflow stays known; started again, it is served again."""
    await _eventually_served(placet, "refund", True)

    await placet.running.stop("executor")
    found = await _eventually_served(placet, "refund", False)
    await placet.running.start("executor")

    assert (found["executors"], found["latest"]) == (0, 2)
    await _eventually_served(placet, "refund", True)


async def test_an_executor_that_falls_silent_serves_nothing_after_a_while(placet: Product) -> None:
    """Nobody has heard of it for 90 s by the database's clock: it is not counted any more."""
    await _eventually_served(placet, "refund", True)

    await placet.running.query("approval", "UPDATE workers SET heard_at = now() - interval '91 seconds'")

    assert not (await placet._get("/v1/workflows/refund"))["served"]
    await placet.running.stop("executor")
    await placet.running.start("executor")
    await _eventually_served(placet, "refund", True)


async def test_an_executor_that_died_is_told_of_by_another(placet: Product) -> None:
    """Whoever notices that it is silent says that it serves nothing: long before it would be counted out."""
    await placet.running.query("executor", "INSERT INTO workers VALUES ('dead', now() - interval '1 minute')")
    await placet.running.query(
        "approval",
        """INSERT INTO workers (id, serves, told_at)
           VALUES ('dead', '[{"name": "refund", "version": 1}]', now() - interval '1 minute')""",
    )

    async def gone() -> bool:
        [row] = await placet.running.query("approval", "SELECT serves FROM workers WHERE id = 'dead'")
        return bool(row["serves"] == "[]")

    await eventually(gone)


async def _eventually_served(placet: Product, name: str, served: bool) -> dict[str, Any]:
    async def told() -> bool:
        answer = await placet.http.get(f"/v1/workflows/{name}")
        return answer.status_code == 200 and answer.json()["served"] is served

    await eventually(told)
    return dict(await placet._get(f"/v1/workflows/{name}"))
