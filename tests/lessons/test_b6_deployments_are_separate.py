"""B6: ids were global across tenants, and joins forgot the tenant."""

import pytest

from kit.lessons import app, done
from kit.product import Product, problem, product
from placet_contracts.topology import SERVICES

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_deployments_on_one_server_and_broker_do_not_meet(
    placet: Product, postgres_url: str, amqp_url: str
) -> None:
    """The same run ids in two databases and namespaces are two runs: what is decided here is not decided there."""
    async with product("rabbit", app, postgres_url, amqp_url) as other:
        runs = [f"run-{n}" for n in range(3)]
        for run_id in runs:
            for each in (placet, other):
                assert await each.start("one-gate", each.running.namespace, runId=run_id) == run_id
        here = [await placet.paused(run_id) for run_id in runs]
        there = [await other.paused(run_id) for run_id in runs]
        problem(await other.http.get(f"/v1/approvals/{here[0]['id']}"), 404, "not-found")
        problem(await other.decide(here[0], "approve"), 404, "not-found")

        await placet.approve(here[0])
        await placet.reject(here[1])
        await placet.cancel(runs[2])
        ended = [await placet.ended(run_id) for run_id in runs]

        assert [run["status"] for run in ended] == ["completed", "rejected", "cancelled"]
        assert ended[0]["output"] == placet.running.namespace
        assert [await other.approval(approval["id"]) for approval in there] == there
        assert [(await other.run(run_id))["status"] for run_id in runs] == ["paused"] * 3
        assert done[runs[1]] == ["entered", "entered"]  # once here, once there
        for service in SERVICES:
            for each in (placet, other):
                assert await each.running.query(service, "SELECT * FROM quarantine") == []


async def test_a_key_of_one_deployment_opens_no_other(placet: Product, postgres_url: str, amqp_url: str) -> None:
    """Keys are in the database of the deployment that they were made for."""
    key = await placet.key("admin")
    async with product("local", app, postgres_url, amqp_url) as other:
        async with other.running.http(key) as stranger:
            problem(await stranger.get("/v1/runs"), 401, "unauthorized")
