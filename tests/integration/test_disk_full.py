"""The database's disk is full."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kit.outcome import CannotBeHad
from kit.product import Product, problem
from kit.small_disk import SmallDisk, small_disk
from kit.stack import deployment
from kit.waiting import eventually
from placet import Context, Interrupt, Placet

pytestmark = pytest.mark.slow

app = Placet()


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    return len(input) if ctx.approved else Interrupt.approval(message="May I?")


@pytest.fixture
async def disk() -> AsyncIterator[SmallDisk]:
    try:
        async with small_disk() as made:
            yield made
    except CannotBeHad as error:
        pytest.skip(f"a small disk cannot be had: {error}")


async def test_nothing_is_acknowledged_that_is_not_committed(disk: SmallDisk, amqp_url: str) -> None:
    """Starts and decisions are refused with a 503, or hold; once there is space again, all goes on by itself."""
    dice = random.Random(7)
    async with deployment("local", app, disk.url, amqp_url, "") as running, running.http() as http:
        placet = Product(running, http)
        asked = [await placet.paused(await placet.start("asks", "x", runId=f"before-{n}")) for n in range(5)]
        disk.fill()

        acknowledged, refused = [], 0
        for n in range(500):
            run_id = f"full-{n}"
            body = {"workflow": "asks", "runId": run_id, "input": dice.randbytes(100_000).hex()}
            answer = await placet.http.post("/v1/runs", json=body, timeout=60)
            if answer.status_code == 202:
                acknowledged.append(run_id)
            else:
                assert answer.headers["retry-after"]
                problem(answer, 503, "unavailable")
                refused += 1
            if refused == 20:
                break
        assert refused == 20
        decided = []
        for approval in asked:
            answer = await placet.decide(approval, "approve")
            if answer.status_code == 200:
                decided.append(approval["runId"])
            else:
                problem(answer, 503, "unavailable")

        disk.clear()
        if not disk.runs:  # it gives up where it cannot write its log: whoever looks after it starts it again
            await disk.start()

        await eventually(lambda: takes_starts(placet))
        for run_id in acknowledged:
            approval = await placet.paused(run_id)
            await placet.approve(approval)
            assert (await placet.ended(run_id))["output"] == 200_000
        for run_id in decided:
            assert (await placet.ended(run_id))["status"] == "completed"
        for approval in asked:
            if approval["runId"] not in decided:
                await placet.approve(approval)
                assert (await placet.ended(approval["runId"]))["status"] == "completed"


async def takes_starts(placet: Product) -> bool:
    async with asyncio.timeout(15):
        return (await placet.http.post("/v1/runs", json={"workflow": "asks", "input": ""})).status_code == 202
