"""A deployment in the words of those who use it: start, wait, decide, look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2

import placet_approval.app as approval
import placet_executor.app as executor
from kit.database import database
from kit.rabbitmq import delete_namespace
from kit.stack import ADMIN_KEY, BusKind, Deployment, deployment
from kit.waiting import eventually
from placet import Placet
from placet_approval.domain import Role
from placet_approval.handlers import keys
from placet_contracts.events import ENDED
from placet_executor.app import Executor

WAIT = 30  # seconds that a test waits at most for what is a matter of milliseconds

Json = Any


class Product:
    """A deployment, and one caller of its REST API."""

    def __init__(self, running: Deployment, http: httpx2.AsyncClient, replica: approval.Approval | None = None) -> None:
        self.running = running
        self.http = http
        self._replica = replica  # of the approval service; none: the first one

    async def start(self, workflow: str, input: Json = None, **more: Json) -> str:
        """Start a run; its id."""
        answer = await self.http.post("/v1/runs", json={"workflow": workflow, "input": input, **more})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def run(self, run_id: str) -> dict[str, Json]:
        """The run as it stands."""
        return await self._get(f"/v1/runs/{run_id}")

    async def ended(self, run_id: str) -> dict[str, Json]:
        """The run, once it has ended."""
        run = await self._get(f"/v1/runs/{run_id}?wait={WAIT}")
        assert run["status"] in ENDED, run
        return run

    async def paused(self, run_id: str) -> dict[str, Json]:
        """The approval that the run waits for, once it does."""
        run = await self._get(f"/v1/runs/{run_id}?wait={WAIT}&until=paused")
        assert run["status"] == "paused", run
        [pending] = [approval["id"] for approval in run["approvals"] if approval["status"] == "pending"]
        return await self.approval(pending)

    async def approval(self, approval_id: str) -> dict[str, Json]:
        """The approval as it stands."""
        return await self._get(f"/v1/approvals/{approval_id}")

    async def decide(self, approval: dict[str, Json] | str, decision: str, **more: Json) -> httpx2.Response:
        """What the API answers to a decision."""
        id = approval if isinstance(approval, str) else approval["id"]
        return await self.http.post(f"/v1/approvals/{id}/decisions", json={"decision": decision, **more})

    async def approve(self, approval: dict[str, Json] | str, **more: Json) -> None:
        """Approve; it must be taken."""
        answer = await self.decide(approval, "approve", **more)
        assert answer.status_code == 200, answer.text

    async def reject(self, approval: dict[str, Json] | str, **more: Json) -> None:
        """Reject; it must be taken."""
        answer = await self.decide(approval, "reject", **more)
        assert answer.status_code == 200, answer.text

    async def cancel(self, run_id: str) -> httpx2.Response:
        """What the API answers to a cancellation."""
        return await self.http.post(f"/v1/runs/{run_id}/cancel")

    async def key(self, role: Role, name: str | None = None) -> str:
        """A new API key."""
        async with self.running.connection() as conn:
            return await keys.create(conn, name or f"{role}-{uuid4().hex[:8]}", role)

    @asynccontextmanager
    async def caller(self, role: Role, name: str | None = None) -> AsyncIterator["Product"]:
        """The same deployment, as somebody else sees it."""
        async with self.running.http(await self.key(role, name), self._replica) as http:
            yield Product(self.running, http, self._replica)

    async def status_in_executor(self, run_id: str) -> str:
        """A run's state as the executor has it."""
        [row] = await self.running.query("executor", "SELECT status FROM runs WHERE id = $1", run_id)
        return str(row["status"])

    async def _get(self, path: str) -> dict[str, Json]:
        answer = await self.http.get(path, timeout=WAIT + 10)
        assert answer.status_code == 200, answer.text
        found: dict[str, Json] = answer.json()
        return found


@asynccontextmanager
async def product(
    kind: BusKind, app: Placet, postgres_url: str, amqp_url: str, namespace: str | None = None
) -> AsyncIterator[Product]:
    """A product with a database and a namespace of its own, gone afterwards."""
    async with database(postgres_url) as database_url, names(kind, amqp_url, namespace) as own:
        async with deployment(kind, app, database_url, amqp_url, own) as running:
            async with running.http(ADMIN_KEY) as http:
                yield Product(running, http)


@asynccontextmanager
async def names(kind: BusKind, amqp_url: str, namespace: str | None = None) -> AsyncIterator[str]:
    """A prefix for exchanges and queues, which are deleted afterwards."""
    name = namespace or f"t{uuid4().hex[:10]}"
    yield name
    if kind == "rabbit":
        await delete_namespace(amqp_url, name)


@asynccontextmanager
async def another_executor(running: Deployment, app: Placet | None = None, **settings: Json) -> AsyncIterator[Executor]:
    """One more executor of a deployment, with settings of its own. On the local bus there can be one at a time."""
    chosen = running._executor_settings().model_copy(update=settings)
    bus = running._bus("executor")
    async with executor.service(chosen, app or running.app, bus) as started:
        await eventually(lambda: asyncio.sleep(0, bus.ready))
        yield started


@asynccontextmanager
async def another_approval(running: Deployment) -> AsyncIterator[Product]:
    """One more approval replica of a deployment, as its callers see it. On the local bus there can be one at a time."""
    bus = running._bus("approval")
    async with approval.service(running._approval_settings(), bus, asyncio.Event()) as started:
        await eventually(lambda: asyncio.sleep(0, bus.ready))
        async with running.http(ADMIN_KEY, started) as http:
            yield Product(running, http, started)


def problem(answer: httpx2.Response, status: int, type: str) -> dict[str, Json]:
    """The problem that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Json] = answer.json()
    assert (body["type"], body["status"]) == (f"urn:placet:problem:{type}", status)
    assert body["title"]
    assert body["detail"]
    return body
