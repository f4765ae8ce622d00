"""The notifier as it is deployed: on RabbitMQ, with the routes that operators use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from kit.smtp import smtp_server
from placet_contracts.destinations import Email
from placet_notifier.app import build
from placet_notifier.settings import Settings
from placet_runtime.rabbit import RabbitBus


async def eventually(look: Callable[[], Awaitable[object]]) -> None:
    """Until what is looked at is so; a connection gives no signal to wait on."""
    async with asyncio.timeout(20):
        while not await look():
            await asyncio.sleep(0.05)


@pytest.fixture
async def timeline(amqp_url: str, namespace: str, timeline_on: Callable[[Any], Any]) -> AsyncIterator[Any]:
    timeline = timeline_on(RabbitBus(amqp_url, "approval", namespace=namespace))
    async with timeline.bus.open():
        yield timeline


async def test_an_approval_is_told_over_rabbitmq(
    database_url: str, amqp_url: str, namespace: str, timeline: Any
) -> None:
    """From the broker to the mailbox and back to the timeline; operators see it ready, alive and counting."""
    async with smtp_server() as mailbox:
        settings = Settings(
            database_url=database_url,
            amqp_url=amqp_url,
            namespace=namespace,
            smtp_url=f"smtp://127.0.0.1:{mailbox.port}",
        )
        app = build(settings, asyncio.Event())
        with TestClient(app) as client:

            async def get(path: str) -> httpx2.Response:
                return await asyncio.to_thread(client.get, path)

            async def ready() -> bool:
                return timeline.bus.ready and (await get("/readyz")).is_success

            await eventually(ready)
            approval = await timeline.open_approval(Email("ana@example.com"))
            [sent] = await timeline.until("sent")

            assert sent.approval_id == approval.approval_id
            assert (await get("/livez")).json() == {"stalled": []}
            metrics = (await get("/metrics")).text
            assert 'placet_deliveries_total{channel="email",result="sent"}' in metrics
            assert "placet_deliveries_due 0.0" in metrics


async def test_metrics_outlive_the_database(database_url: str, namespace: str) -> None:
    """An operator gets metrics most of all when the database is away."""
    settings = Settings(database_url=database_url, amqp_url="amqp://127.0.0.1:1/", namespace=namespace)
    with TestClient(build(settings, asyncio.Event())) as client:
        assert (await asyncio.to_thread(client.get, "/readyz")).status_code == 503
        assert (await asyncio.to_thread(client.get, "/metrics")).status_code == 200
