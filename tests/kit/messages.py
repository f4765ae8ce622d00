"""Messages for a deployment's bus and for its quarantines, past those who write them properly."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg

from kit.product import Json, Product
from kit.stack import Deployment
from kit.waiting import eventually
from placet import Context, Placet
from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.events import Event
from placet_contracts.topology import Service
from placet_runtime import quarantine
from placet_runtime.postgres import Connection, session_settings
from placet_runtime.quarantine import Refused

app = Placet()


@app.workflow("echo")
async def echo(ctx: Context, input: Any) -> Any:
    return input


def start(run_id: str, *, id: str | None = None, **more: Json) -> bytes:
    """A start message for a run of ``echo``."""
    data = {"workflow": "echo", "runId": run_id, "input": 1, **more}
    event = {"specversion": "1.0", "id": id or f"start-{run_id}", "source": "shop", "type": "workflow.start.v1"}
    return json.dumps(event | {"data": data}).encode()


async def send(running: Deployment, type: str, body: bytes) -> None:
    """Publish bytes as anybody could who may publish there."""
    if running._kind == "local":
        await running._broker.buses["approval"].publish(type, body)
        return
    async with await aio_pika.connect(running.amqp_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(running.namespace)
        await exchange.publish(aio_pika.Message(body), routing_key=type, mandatory=True)


async def forge(running: Deployment, source: str, event: Event) -> str:
    """Publish an event in somebody's name; its id."""
    id = f"{uuid4()}/0"
    await send(running, event.type, encode(CloudEvent(id, source, event)))
    return id


@asynccontextmanager
async def tables(running: Deployment, service: Service) -> AsyncIterator[Connection]:
    """A connection as a service's own."""
    settings = session_settings(service, "placet tests")
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(running.database_url, server_settings=settings)
    try:
        yield conn
    finally:
        await conn.close()


async def keep(running: Deployment, service: Service, body: bytes, reason: str, type: str = "workflow.start.v1") -> str:
    """Have a message lie in a service's quarantine; its id."""
    async with tables(running, service) as conn:
        await quarantine.add(conn, service, [Refused(type, reason, body)])
        found: UUID = await conn.fetchval("SELECT id FROM quarantine WHERE body = $1 AND reason = $2", body, reason)
    return str(found)


class Messages:
    """The quarantine of all services, as the REST API shows it to an admin."""

    def __init__(self, of: Product) -> None:
        self.of = of

    async def listed(self, **query: str) -> list[dict[str, Any]]:
        """A page of what there is."""
        answer = await self.of.http.get("/v1/quarantine", params=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def get(self, service: str, id: str) -> dict[str, Any] | None:
        """One, if it is there, or was not long ago."""
        answer = await self.of.http.get(f"/v1/quarantine/{service}/{id}")
        assert answer.status_code in (200, 404), answer.text
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    async def ask(self, action: str, service: str, id: str) -> dict[str, Any]:
        """Ask for something; it must be taken."""
        answer = await self.of.http.post(f"/v1/quarantine/{service}/{id}/{action}")
        assert answer.status_code == 202, answer.text
        asked: dict[str, Any] = answer.json()
        return asked

    async def becomes(self, service: str, id: str, **facts: Any) -> dict[str, Any]:
        """One, once these facts hold of it; ``True`` stands for any value."""
        found: dict[str, Any] | None = None

        async def look() -> bool:
            nonlocal found
            found = await self.get(service, id)
            return found is not None and all(
                found[name] is not None if value is True else found[name] == value for name, value in facts.items()
            )

        await eventually(look)
        assert found is not None
        return found

    async def with_event(self, text: str, **query: str) -> dict[str, Any]:
        """The one whose CloudEvent has this id, once it is there."""
        found: list[dict[str, Any]] = []

        async def look() -> bool:
            nonlocal found
            found = [each for each in await self.listed(**query) if each["eventId"] == text]
            return bool(found)

        await eventually(look)
        return found[0]
