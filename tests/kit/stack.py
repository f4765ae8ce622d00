"""The services of one deployment in the test's own process, on real servers; each can be stopped and started."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Literal

import asyncpg
import httpx2
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

import placet_approval.app as approval
import placet_executor.app as executor
import placet_notifier.app as notifier
from placet import Placet
from placet_approval.routes import application
from placet_approval.settings import Settings as ApprovalSettings
from placet_contracts.topology import Service
from placet_executor.settings import Settings as ExecutorSettings
from placet_notifier.settings import Settings as NotifierSettings
from placet_runtime.bus import Bus
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.postgres import Connection, session_settings
from placet_runtime.rabbit import RabbitBus
from placet_runtime.receipts import generate_key, public_key

BusKind = Literal["rabbit", "local"]
ADMIN_KEY = "test-admin-key-0123456789"


class Deployment:
    """Approval, executor and notifier on one database and one bus."""

    def __init__(self, kind: BusKind, app: Placet, database_url: str, amqp_url: str, namespace: str) -> None:
        self.app = app
        self.database_url = database_url
        self.amqp_url = amqp_url
        self.namespace = namespace
        self.lease = timedelta(seconds=5)
        self.concurrency = 64
        self.approval_options: dict[str, Any] = {}
        self.executor_options: dict[str, Any] = {}
        self.notifier_options: dict[str, Any] = {}
        self._kind = kind
        self._broker = LocalBroker()
        self._signing_key = generate_key()
        self._running: dict[Service, AsyncExitStack] = {}
        self._approval: approval.Approval | None = None

    async def start(self, *services: Service) -> None:
        """Start services; all, if none is named."""
        for service in services or ("approval", "notifier", "executor"):
            stack = AsyncExitStack()
            bus = self._bus(service)
            if service == "approval":
                self._approval = await stack.enter_async_context(
                    approval.service(self._approval_settings(), bus, asyncio.Event())
                )
            elif service == "executor":
                await stack.enter_async_context(executor.service(self._executor_settings(), self.app, bus))
            else:
                await stack.enter_async_context(notifier.service(self._notifier_settings(), bus))
            self._running[service] = stack
            async with asyncio.timeout(20):
                while not bus.ready:
                    await asyncio.sleep(0.01)

    async def stop(self, *services: Service) -> None:
        """Stop services; all, if none is named."""
        for service in services or tuple(self._running):
            await self._running.pop(service).aclose()

    @asynccontextmanager
    async def http(
        self, key: str = ADMIN_KEY, of: approval.Approval | None = None
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A client of the REST API with a key; of a replica, if one is given."""
        transport = httpx2.ASGITransport(app=self.asgi(of))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx2.AsyncClient(transport=transport, base_url="http://placet", headers=headers) as client:
            yield client

    def asgi(self, of: approval.Approval | None = None) -> ASGIApp:
        """The approval service as an ASGI app; a replica, if one is given."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            served = of or self._approval
            assert served is not None
            state = served.state | {"operations": [served.operations]}
            await application()({**scope, "state": state}, receive, send)

        return app

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to the approval service's own tables."""
        settings = session_settings("approval", "placet tests")
        conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(self.database_url, server_settings=settings)
        try:
            yield conn
        finally:
            await conn.close()

    async def query(self, schema: Service, sql: str, *values: object) -> list[dict[str, Any]]:
        """What a service's own tables hold."""
        conn = await asyncpg.connect(self.database_url, server_settings={"search_path": schema})
        try:
            return [dict(row) for row in await conn.fetch(sql, *values)]
        finally:
            await conn.close()

    def _bus(self, service: Service) -> Bus:
        if self._kind == "local":
            return LocalBus(self._broker, service)
        return RabbitBus(self.amqp_url, service, namespace=self.namespace)

    def _approval_settings(self) -> ApprovalSettings:
        return ApprovalSettings(
            database_url=SecretStr(self.database_url),
            signing_key=SecretStr(self._signing_key),
            admin_key=SecretStr(ADMIN_KEY),
            **{"database_connections": 4, "failed_attempts": 1_000_000} | self.approval_options,
        )

    def _executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(
            database_url=SecretStr(self.database_url),
            verify_keys=public_key(self._signing_key),
            app="",
            lease=self.lease,
            concurrency=self.concurrency,
            retry_backoff=timedelta(milliseconds=10),
            drain=timedelta(seconds=2),
            **{"database_connections": 4, **self.executor_options},
        )

    def _notifier_settings(self) -> NotifierSettings:
        return NotifierSettings(
            database_url=SecretStr(self.database_url),
            delivery_backoff=timedelta(milliseconds=20),
            drain=timedelta(seconds=2),
            **{"database_connections": 4, **self.notifier_options},
        )


@asynccontextmanager
async def deployment(
    kind: BusKind, app: Placet, database_url: str, amqp_url: str, namespace: str
) -> AsyncIterator[Deployment]:
    """A running deployment, stopped at the end."""
    made = Deployment(kind, app, database_url, amqp_url, namespace)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
