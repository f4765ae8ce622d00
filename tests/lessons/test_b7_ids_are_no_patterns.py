"""B7: a clean-up with ``LIKE 'order1_%'`` deleted order10's data."""

import asyncio

import pytest

from kit.lessons import done
from kit.product import Product
from placet_approval.store import keys

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALIKE = ["order1", "order1_", "order10", "orderX1", "order1_a", "Order1_", "order1-", "order1."]


async def test_an_id_means_itself_and_nothing_like_it(placet: Product) -> None:
    """Of runs whose ids look alike, one is cancelled and one approved; the others have not moved."""
    for run_id in ALIKE:
        await placet.start("one-gate", run_id, runId=run_id)
    asked = {run_id: await placet.paused(run_id) for run_id in ALIKE}

    await placet.cancel("order1_")
    await placet.approve(asked["order1-"])
    await asyncio.gather(placet.ended("order1_"), placet.ended("order1-"))

    left = [run_id for run_id in ALIKE if run_id not in ("order1_", "order1-")]
    for run_id in left:
        assert await placet.approval(asked[run_id]["id"]) == asked[run_id]
        assert await placet.status_in_executor(run_id) == "paused"
        assert done[run_id] == ["entered"]
    assert (await placet.run("order1-"))["output"] == "order1-"


@pytest.mark.parametrize("run_id", ["find1_", "find1"])
async def test_a_filter_means_itself_and_nothing_like_it(placet: Product, run_id: str) -> None:
    """A list narrowed to a run shows that run's approvals."""
    ids = [f"{run_id}{suffix}" for suffix in ("", "0", "_", "a")]
    for id in ids:
        await placet.start("one-gate", runId=f"{id}")
        await placet.paused(id)

    for wanted in (run_id, f"{run_id}%", f"{run_id}*", run_id.upper(), f"{run_id} "):
        listed = (await placet.http.get("/v1/approvals", params={"runId": wanted})).json()["items"]
        assert [approval["runId"] for approval in listed] == ([run_id] if wanted == run_id else [])


async def test_revoking_a_key_revokes_no_other(placet: Product) -> None:
    """``ci_`` is not ``ci0``."""
    names = ["ci_", "ci0", "ci", "ci_1", "CI_"]
    made = {name: await placet.key("viewer", name) for name in names}

    async with placet.running.http(made["ci_"]) as before:
        assert (await before.get("/v1/runs")).status_code == 200
    assert placet.running._approval is not None
    async with placet.running._approval.deps.pool.acquire() as conn:
        await keys.revoke(conn, "ci_")

    for name, key in made.items():
        async with placet.running.http(key) as http:
            assert (await http.get("/v1/runs")).status_code == (401 if name == "ci_" else 200)
