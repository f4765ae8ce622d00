"""Placet itself, over its public REST API, as a client of the product would use it."""

from time import monotonic_ns
from uuid import uuid4

from bench.driver import INPUT, Cycles, call
from bench.http import Client


class Placet:
    """Cycles of the workflow in `bench.workflows`."""

    async def cycle(self, client: Client, seen: Cycles) -> None:
        run_id = uuid4().hex
        started = monotonic_ns()
        start = {"workflow": "bench", "runId": run_id, "input": INPUT}
        paused = await call(client, "POST", "/v1/runs?wait=30&until=paused", start)
        approval_id = paused["approvals"][0]["id"]
        approved = monotonic_ns()
        await call(client, "POST", f"/v1/approvals/{approval_id}/decisions", {"decision": "approve"})
        ended = await call(client, "GET", f"/v1/runs/{run_id}?wait=30")
        if ended["status"] != "completed":
            raise RuntimeError(f"a cycle did not complete: {ended}")
        output = ended["output"]
        seen.end(started=started, entered=output["entered"], approved=approved, resumed=output["resumed"])
