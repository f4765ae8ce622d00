"""What is measured: three service processes on RabbitMQ, or all in one process; Postgres is the same for both."""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.processes import free_port, process, ready
from kit.servers import Servers
from placet_runtime.receipts import generate_key, public_key

APP = "bench.workflows:app"
_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stack:
    """A running deployment."""

    url: str
    key: str
    database_url: str
    replicas: tuple[str, ...] = ()  # where more approval services answer
    namespace: str = ""  # on the broker


@asynccontextmanager
async def on_rabbitmq(
    servers: Servers, *, app: str = APP, approvals: int = 1, executors: int = 1
) -> AsyncIterator[Stack]:
    """Approvals, executors and a notifier, a process each."""
    key, signing_key = secrets.token_urlsafe(24), generate_key()
    async with AsyncExitStack() as stack:
        database_url = await stack.enter_async_context(database(servers.postgres, "bench_rabbitmq"))
        shared = {
            "PLACET_DATABASE_URL": database_url,
            "PLACET_AMQP_URL": servers.rabbitmq,
            "PLACET_NAMESPACE": f"bench{secrets.token_hex(4)}",
            "PLACET_LOG_LEVEL": os.environ.get("PLACET_LOG_LEVEL", "warning"),
        }
        deciding = {"PLACET_SIGNING_KEY": signing_key, "PLACET_ADMIN_KEY": key}
        executing = {"PLACET_VERIFY_KEYS": public_key(signing_key)}
        urls = []
        for arguments, own, replicas in (
            (["approval"], deciding, approvals),
            (["executor", app], executing, executors),
            (["notifier"], {}, 1),
        ):
            for port in [free_port() for _ in range(replicas)]:
                await stack.enter_async_context(_placet(arguments, {**shared, **own, "PLACET_PORT": str(port)}))
                urls.append(f"http://127.0.0.1:{port}")
        for url in urls:
            await ready(url, "/readyz")
        yield Stack(urls[0], key, database_url, tuple(urls[1:approvals]), shared["PLACET_NAMESPACE"])


@asynccontextmanager
async def embedded(servers: Servers, folder: Path, *, app: str = APP) -> AsyncIterator[Stack]:
    """``placet dev`` on a database of its own."""
    async with database(servers.postgres, "bench_embedded") as database_url:
        async with dev(database_url, folder, app=app) as stack:
            yield stack


@asynccontextmanager
async def dev(database_url: str, folder: Path, *, app: str = APP) -> AsyncIterator[Stack]:
    """``placet dev``, on a database that there is."""
    port = free_port()
    arguments = ["dev", app, "--port", str(port), "--data", str(folder)]
    async with _placet(arguments, {"PLACET_DATABASE_URL": database_url}):
        url = f"http://127.0.0.1:{port}"
        await ready(url, "/readyz")
        from placet_standalone.secrets import load

        yield Stack(url, load(folder).admin_key, database_url)


@asynccontextmanager
async def database(postgres_url: str, name: str) -> AsyncIterator[str]:
    """An empty database, dropped afterwards; its address."""
    admin = await asyncpg.connect(postgres_url)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {name}")
        head, _, tail = postgres_url.partition("?")
        yield f"{head.rpartition('/')[0]}/{name}" + (f"?{tail}" if tail else "")
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def _placet(arguments: list[str], environment: dict[str, str]) -> AbstractAsyncContextManager[None]:
    return process([sys.executable, "-m", "placet.cli", *arguments], {**environment, "PYTHONPATH": str(_TESTS)})
