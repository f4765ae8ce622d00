"""A database that is far away: two hundred milliseconds for each round trip."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from kit.database import database
from kit.product import Product, problem
from kit.proxy import CALM, Weather, proxy
from kit.stack import ADMIN_KEY, Deployment
from placet import Context, Interrupt, Placet

pytestmark = pytest.mark.slow

app = Placet()
ROUND_TRIP = 0.2


async def look_up(key: int) -> int:
    return key


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    found = await ctx.step("look up", look_up, input)
    return found if ctx.approved else Interrupt.approval(message="May I?")


@asynccontextmanager
async def far_away(postgres_url: str) -> AsyncIterator[Product]:
    """A deployment with the default limits, whose database is slow from now on."""
    async with database(postgres_url) as url:
        parts = urlsplit(url)
        async with proxy(parts.hostname or "localhost", parts.port or 5432) as network:
            user = f"{parts.username}:{parts.password}" if parts.password else parts.username
            through = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{network.port}"))
            made = Deployment("local", app, through, "", "")
            made.lease = timedelta(seconds=30)
            default = {"database_connections": 8, "migrate": False}
            made.approval_options = made.executor_options = made.notifier_options = default
            await made.start()
            try:
                await network.become(Weather(latency=ROUND_TRIP / 2))
                async with made.http(ADMIN_KEY) as http:
                    yield Product(made, http)
            finally:
                await network.become(CALM)
                await made.stop()


async def test_everything_goes_on_slowly(postgres_url: str) -> None:
    """Fifty runs are started, decided on and end as they should, none twice; nobody is told that anything failed."""
    async with far_away(postgres_url) as placet:

        async def cycle(n: int) -> Any:
            approval = await placet.paused(await placet.start("asks", n, runId=f"run-{n}"))
            verdict = "reject" if n % 5 == 0 else "approve"
            answers = await asyncio.gather(*(placet.decide(approval, verdict, comment=str(k)) for k in range(3)))
            assert {answer.status_code for answer in answers} == {200}
            other = await placet.decide(approval, "approve" if verdict == "reject" else "reject")
            problem(other, 409, "already-resolved")
            run = await placet.ended(f"run-{n}")
            return run["status"], run["output"]

        ended = await asyncio.gather(*(cycle(n) for n in range(50)))

        assert ended == [("rejected", None) if n % 5 == 0 else ("completed", n) for n in range(50)]
        runs = await placet.running.query("executor", "SELECT count(*), sum(failures) AS f, max(fence) AS p FROM runs")
        assert [tuple(row.values()) for row in runs] == [(50, 0, 2)]
        assert (await placet.http.get("/readyz")).status_code == 200
        assert (await placet.http.get("/livez")).status_code == 200
