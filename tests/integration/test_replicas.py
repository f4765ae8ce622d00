"""Several replicas of the approval service: whichever hears of a change, those who wait at another are answered."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import asyncpg
import pytest

from kit.database import database
from kit.product import Product, another_approval, problem, product
from kit.waiting import eventually
from placet import Context, Interrupt, Placet
from placet_approval import waits
from placet_approval.replicas import CHANNEL, Replicas
from placet_runtime import postgres
from placet_runtime.listener import application_name, listen
from placet_runtime.postgres import Pool

app = Placet()


@app.workflow("asks")
async def asks(ctx: Context, input: int) -> object:
    """One gate."""
    return input if ctx.approved else Interrupt.approval(message="Go on?")


@pytest.fixture
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment on RabbitMQ, which shares queues out to replicas."""
    async with product("rabbit", app, postgres_url, amqp_url) as made:
        yield made


async def test_a_change_answers_those_who_wait_at_another_replica(
    placet: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks again by the clock here: of twenty runs, about half pause and end by the other replica's hand."""
    monkeypatch.setattr(waits, "_LOOK_AGAIN", 600)
    async with another_approval(placet.running) as other, asyncio.timeout(60):

        async def go_through(n: int) -> None:
            here, there = (placet, other) if n % 2 else (other, placet)
            run_id = await here.start("asks", n)
            approval = await there.paused(run_id)
            end = asyncio.create_task(there.ended(run_id))
            resolved = asyncio.create_task(there.http.get(f"/v1/approvals/{approval['id']}?wait=60"))
            await here.approve(approval)
            assert (await resolved).json()["status"] == "approved"
            assert (await end)["output"] == n

        for n in range(20):
            await go_through(n)


async def test_eight_deciders_at_three_replicas_make_one_resolution(placet: Product) -> None:
    """Whoever is first; the others are told by whom and how, wherever they asked."""
    async with AsyncExitStack() as stack:
        replicas = [placet, *[await stack.enter_async_context(another_approval(placet.running)) for _ in range(2)]]
        deciders = [
            await stack.enter_async_context(replicas[n % 3].caller("approver", f"decider-{n}")) for n in range(8)
        ]
        for n in range(5):
            approval = await placet.paused(await placet.start("asks", n))
            answers = await asyncio.gather(
                *(
                    decider.decide(approval, "reject" if number % 2 else "approve")
                    for number, decider in enumerate(deciders)
                )
            )

            [won] = [answer.json() for answer in answers if answer.status_code == 200]
            told = [problem(answer, 409, "already-resolved") for answer in answers if answer.status_code != 200]
            assert {(each["outcome"], each["resolvedBy"]) for each in told} == {(won["status"], won["resolvedBy"])}
            rows = await placet.running.query("approval", "SELECT status FROM approvals WHERE id = $1", approval["id"])
            assert rows == [{"status": won["status"]}]
            assert (await placet.ended(approval["runId"]))["status"] == {"approved": "completed"}.get(
                won["status"], "rejected"
            )


class Member:
    """A replica's voice and ear, and what it heard."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        self.heard: set[str] = set()
        self.news = asyncio.Event()
        self.begun = asyncio.Event()
        self.voice = Replicas(pool, self._woken, self.begun.set)
        self.ear = asyncio.create_task(listen(dsn, "approval", CHANNEL, self.voice.hear))
        self.mouth = asyncio.create_task(self.voice.relay())

    def _woken(self, ids: Iterable[str]) -> None:
        self.heard.update(ids)
        self.news.set()

    async def leave(self) -> None:
        """Its connection ends with it."""
        for task in (self.ear, self.mouth):
            task.cancel()
        await asyncio.gather(self.ear, self.mouth, return_exceptions=True)


async def test_replicas_find_one_another_and_tell_all_that_moved(postgres_url: str) -> None:
    """However many moved at once; nobody is told what it said itself, and one that is alone again keeps silent."""
    async with database(postgres_url) as dsn, postgres.connect(dsn, "public", size=2) as pool:
        one = Member(pool, dsn)
        other = Member(pool, dsn)
        ids = {f"{n}:{'x' * 180}" for n in range(100)}
        async with asyncio.timeout(30):
            await asyncio.gather(*(each.wait() for each in (one.begun, one.news, other.begun, other.news)))
            one.voice.tell(ids)
            while other.heard != ids:
                other.news.clear()
                await other.news.wait()
        assert not one.heard

        await other.leave()
        await eventually(lambda: _is_alone(pool))
        await one.voice.look()
        conn = await asyncpg.connect(dsn)
        hints: asyncio.Queue[str] = asyncio.Queue()
        await conn.add_listener(CHANNEL, lambda *hint: hints.put_nowait(hint[-1]))
        one.voice.tell(["alone"])
        await pool.execute("SELECT pg_notify($1, 'zz []')", CHANNEL)
        assert await asyncio.wait_for(hints.get(), 30) == "zz []"
        await conn.close()
        await one.leave()


async def _is_alone(pool: Pool) -> bool:
    """Postgres has noticed that the other has gone."""
    count: int = await pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
        application_name("approval"),
    )
    return count == 1
