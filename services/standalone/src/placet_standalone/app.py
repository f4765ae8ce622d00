"""The three services in one process: one HTTP port, one Postgres, and a bus in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from starlette.applications import Starlette

import placet_approval.app as approval
import placet_executor.app as executor
import placet_notifier.app as notifier
from placet.app import Placet
from placet_approval.api.dispatch import Api
from placet_approval.api.services import Services
from placet_approval.handlers import sessions
from placet_approval.routes import application
from placet_approval.settings import Settings as ApprovalSettings
from placet_executor.settings import Settings as ExecutorSettings
from placet_notifier.settings import Settings as NotifierSettings
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.postgres import session_settings
from placet_runtime.settings import read
from placet_standalone import secrets
from placet_standalone.postgres import embedded
from placet_standalone.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Standalone:
    """Where an embedded deployment lives; ``database_url`` names a Postgres of the user's own instead of ours."""

    folder: Path
    port: int
    database_url: str | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def secrets(self) -> Secrets:
        return secrets.load(self.folder)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A Postgres for as long as the context lasts; its address."""
        if self.database_url is not None:
            yield self.database_url
        else:
            async with embedded(self.folder / "postgres") as dsn:
                yield dsn


@dataclass(frozen=True, slots=True)
class Running:
    """What is to be had while it runs: the database's address, and the approval service's use cases."""

    dsn: str
    services: Services


async def nothing(dsn: str) -> None:
    """What is done before the services start."""


def build(
    standalone: Standalone,
    app: Placet,
    stopping: asyncio.Event,
    serves: Callable[[Running], None] = lambda running: None,
    prepare: Callable[[str], Awaitable[None]] = nothing,
) -> Api:
    """All of Placet as one ASGI app. Everything else that the services read from the environment holds here too.

    ``prepare`` is given the database's address before the services start; ``serves`` is called once they run.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        async with standalone.database() as dsn:
            await prepare(dsn)
            async with services(standalone, dsn, app, stopping) as (state, use_cases):
                serves(Running(dsn, use_cases))
                yield state

    return application(lifespan)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the three services."""

    approval: ApprovalSettings
    executor: ExecutorSettings
    notifier: NotifierSettings


def settings(standalone: Standalone, dsn: str = "postgresql:///placet") -> Settings:
    """Read the environment; what is misspelt in it or does not fit ends the process with a line for each."""
    keys = standalone.secrets
    return Settings(
        read(
            ApprovalSettings,
            database_url=dsn,
            signing_key=keys.signing_key,
            admin_key=keys.admin_key,
            public_url=standalone.url,
        ),
        read(ExecutorSettings, database_url=dsn, verify_keys=keys.verify_keys, app=""),
        read(NotifierSettings, database_url=dsn, public_url=standalone.url),
    )


@asynccontextmanager
async def services(
    standalone: Standalone, dsn: str, app: Placet, stopping: asyncio.Event
) -> AsyncIterator[tuple[dict[str, object], Services]]:
    """The three services on one database; the state that their routes need, and the use cases behind them."""
    broker = LocalBroker()
    chosen = settings(standalone, dsn)
    async with AsyncExitStack() as stack:
        deciding = await stack.enter_async_context(
            approval.service(chosen.approval, LocalBus(broker, "approval"), stopping)
        )
        notifying = await stack.enter_async_context(notifier.service(chosen.notifier, LocalBus(broker, "notifier")))
        executing = await stack.enter_async_context(
            executor.service(chosen.executor, app, LocalBus(broker, "executor"))
        )
        operations = [deciding.operations, notifying.operations, executing.operations]
        yield deciding.state | {"operations": operations}, deciding.services


async def login_link(standalone: Standalone, dsn: str) -> str | None:
    """A link that signs in whoever runs this, as ``admin``; ``None`` where there are users, and no such one."""
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn, timeout=10, server_settings=session_settings("approval", "placet login link")
    )
    try:
        path = await sessions.first_link(conn)
    finally:
        await conn.close()
    return None if path is None else f"{standalone.url}{path}"
