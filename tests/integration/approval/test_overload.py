"""Too much to do: starts are refused or wait, deciding and reading go on, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
from prometheus_client import REGISTRY
from starlette.requests import Request

from kit.product import Product, problem, product
from kit.waiting import eventually
from placet import Context, Interrupt, Placet
from placet_approval.api.operations import ENDPOINTS

app = Placet()
entered: list[str] = []
go_on = asyncio.Event()


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    entered.append(ctx.run_id)
    return input if ctx.approved else Interrupt.approval(message="May I?")


@app.workflow("lasts")
async def lasts(ctx: Context, input: Any) -> Any:
    await go_on.wait()


@asynccontextmanager
async def deployed(postgres_url: str, amqp_url: str, **approval: Any) -> AsyncIterator[Product]:
    """A deployment whose approval service has these settings."""
    async with product("local", app, postgres_url, amqp_url) as made:
        if approval:
            await made.running.stop("approval")
            made.running.approval_options = approval
            await made.running.start("approval")
        yield made


@asynccontextmanager
async def starts_stand_still(placet: Product) -> AsyncIterator[None]:
    """The table of runs takes no new row, as long as the context lasts."""
    conn = await asyncpg.connect(placet.running.database_url)
    try:
        async with conn.transaction():
            await conn.execute("LOCK TABLE approval.runs IN SHARE MODE")
            yield
    finally:
        await conn.close()


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("placet_starts_refused_total", {"reason": reason}) or 0.0


def overloaded(answer: httpx2.Response, retry_after: int) -> str:
    """What a refused start is told."""
    assert answer.headers["retry-after"] == str(retry_after)
    return str(problem(answer, 503, "overloaded")["detail"])


async def test_a_flood_of_starts_is_refused_and_deciding_goes_on(postgres_url: str, amqp_url: str) -> None:
    """With as many starts under way as may be, one more is told when to come again; who decides or reads waits not."""
    async with deployed(postgres_url, amqp_url, max_starts=5) as placet:
        approval = await placet.paused(await placet.start("asks"))
        before = refused("starts")
        async with starts_stand_still(placet):
            flood = [asyncio.create_task(placet.start("asks", n, runId=f"flood-{n}")) for n in range(5)]
            assert placet.running._approval is not None
            admission = placet.running._approval.admission
            await eventually(lambda: asyncio.sleep(0, admission._starts == 5))
            answer = await placet.http.post("/v1/runs", json={"workflow": "asks", "runId": "one-more"})
            assert "5 starts are under way already" in overloaded(answer, 1)
            async with asyncio.timeout(5):
                assert (await placet.approval(approval["id"]))["status"] == "pending"
                await placet.approve(approval)
                assert (await placet.http.get("/v1/approvals?status=pending")).status_code == 200
                assert (await placet.http.get("/readyz")).status_code == 200
        assert await asyncio.gather(*flood) == [f"flood-{n}" for n in range(5)]

        problem(await placet.http.get("/v1/runs/one-more"), 404, "not-found")
        assert refused("starts") == before + 1
        await placet.start("asks", runId="one-more")


async def test_nobody_holds_up_those_who_decide(postgres_url: str, amqp_url: str) -> None:
    """Every connection for reading is taken, and for all else: a decision by a stored key goes through all the same."""
    async with deployed(postgres_url, amqp_url) as placet:
        approval = await placet.paused(await placet.start("asks"))
        assert placet.running._approval is not None
        deps = placet.running._approval.deps
        async with placet.caller("approver") as ana, AsyncExitStack() as taken:
            for pool in (deps.pool, deps.outbox._pool):
                for _ in range(pool.get_max_size()):
                    await taken.enter_async_context(pool.acquire())
            async with asyncio.timeout(5):
                answer = await ana.decide(approval, "approve")
                assert answer.json()["status"] == "approved"
                assert (await ana.http.get("/readyz")).status_code == 200


async def test_starts_are_refused_while_too_many_runs_wait(postgres_url: str, amqp_url: str) -> None:
    """What executors cannot begin with is let in up to a limit; once they have begun, more is taken."""
    async with deployed(postgres_url, amqp_url, max_waiting_runs=3) as placet:
        await placet.running.stop("executor")
        for n in range(3):
            await placet.start("asks", n)
        answer = await placet.http.post("/v1/runs", json={"workflow": "asks"})
        assert "3 runs wait for an executor already" in overloaded(answer, 5)

        await placet.running.start("executor")

        async def is_let_in() -> bool:
            return (await placet.http.post("/v1/runs", json={"workflow": "asks"})).status_code == 202

        await eventually(is_let_in)


async def test_runs_that_nobody_serves_do_not_keep_others_out(postgres_url: str, amqp_url: str) -> None:
    """A parked run waits for an executor that may never come; it does not count."""
    async with deployed(postgres_url, amqp_url, max_waiting_runs=2) as placet:
        for n in range(2):
            await placet.start("served-by-nobody", n)

        async def is_let_in() -> bool:
            return (await placet.http.post("/v1/runs", json={"workflow": "asks"})).status_code == 202

        await eventually(is_let_in)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    """Sixteen megabytes are announced: the answer comes before the first of them is taken."""
    [start] = [endpoint for endpoint in ENDPOINTS if endpoint.handle.__name__ == "start_run"]

    class State:
        class access:  # noqa: N801
            max_body = 2 * 1024 * 1024

    async def receive() -> Any:
        raise AssertionError("nothing of the body is to be read")

    scope = {"type": "http", "headers": [(b"content-length", b"16777216")], "state": {"access": State.access}}
    answer = await start.serve(Request(scope, receive))

    assert answer.status_code == 413
    assert b"at most 2097152 bytes" in bytes(answer.body)


async def test_a_resumed_run_goes_before_those_that_began_later(postgres_url: str, amqp_url: str) -> None:
    """A person has waited for it: with every slot taken, the decided run is entered before the crowd of new ones."""
    async with deployed(postgres_url, amqp_url) as placet:
        await placet.running.stop("executor")
        placet.running.concurrency = 1
        await placet.running.start("executor")
        go_on.clear()
        approval = await placet.paused(await placet.start("asks", runId="decided"))
        await placet.start("lasts", runId="holds-the-slot")
        crowd = [await placet.start("asks", n, runId=f"crowd-{n}") for n in range(3)]

        async def ready(*runs: str) -> bool:
            rows = await placet.running.query("executor", "SELECT id FROM runs WHERE status = 'ready'")
            return {row["id"] for row in rows} == set(runs)

        await eventually(lambda: ready(*crowd))
        await placet.approve(approval)
        await eventually(lambda: ready("decided", *crowd))
        entered.clear()
        go_on.set()
        for run in crowd:
            await placet.paused(run)

    assert entered == ["decided", *crowd]
