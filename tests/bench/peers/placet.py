"""Placet itself, over its public REST API, as a client of the product would use it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from time import monotonic_ns
from uuid import uuid4

from bench.driver import INPUT, Cycles, call
from bench.http import Client
from bench.peers.deployment import Deployment
from bench.stacks import Stack


class Placet:
    """Runs of the workflow in `bench.workflows`."""

    async def cycle(self, client: Client, seen: Cycles) -> None:
        run_id, started = uuid4().hex, monotonic_ns()
        approval_id = await self._paused(client, run_id)
        approved = monotonic_ns()
        await call(client, "POST", f"/v1/approvals/{approval_id}/decisions", {"decision": "approve"})
        ended = await call(client, "GET", f"/v1/runs/{run_id}?wait=30")
        if ended["status"] != "completed":
            raise RuntimeError(f"a cycle did not complete: {ended}")
        output = ended["output"]
        seen.end(started=started, entered=output["entered"], approved=approved, resumed=output["resumed"])

    async def pause(self, client: Client) -> None:
        await self._paused(client, uuid4().hex)

    async def _paused(self, client: Client, run_id: str) -> str:
        start = {"workflow": "bench", "runId": run_id, "input": INPUT}
        paused = await call(client, "POST", "/v1/runs?wait=30&until=paused", start)
        return str(paused["approvals"][0]["id"])


@asynccontextmanager
async def running(made: AbstractAsyncContextManager[Stack]) -> AsyncIterator[Deployment]:
    """A deployment of Placet."""
    async with made as stack:
        headers = {"Authorization": f"Bearer {stack.key}"}
        facts = {"version": version("placet")}
        yield Deployment(Placet(), stack.url, facts, headers, stack.database_url)
