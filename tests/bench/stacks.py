"""What is measured: three service processes on RabbitMQ, or all in one process; Postgres is the same for both."""

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

_APP = "bench.workflows:app"
_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stack:
    """A running deployment."""

    url: str
    key: str
    database_url: str


@asynccontextmanager
async def on_rabbitmq(servers: Servers) -> AsyncIterator[Stack]:
    """Approval, executor and notifier, a process each."""
    key, signing_key, port = secrets.token_urlsafe(24), generate_key(), free_port()
    async with AsyncExitStack() as stack:
        database_url = await stack.enter_async_context(_database(servers.postgres, "bench_rabbitmq"))
        shared = {
            "PLACET_DATABASE_URL": database_url,
            "PLACET_AMQP_URL": servers.rabbitmq,
            "PLACET_NAMESPACE": f"bench{port}",
            "PLACET_LOG_LEVEL": "warning",
        }
        for service, own in (
            ("approval", {"PLACET_PORT": str(port), "PLACET_SIGNING_KEY": signing_key, "PLACET_ADMIN_KEY": key}),
            ("executor", {"PLACET_PORT": str(free_port()), "PLACET_VERIFY_KEYS": public_key(signing_key)}),
            ("notifier", {"PLACET_PORT": str(free_port())}),
        ):
            arguments = [service, _APP] if service == "executor" else [service]
            await stack.enter_async_context(_placet(arguments, shared | own))
        url = f"http://127.0.0.1:{port}"
        await ready(url, "/readyz")
        yield Stack(url, key, database_url)


@asynccontextmanager
async def embedded(servers: Servers, folder: Path) -> AsyncIterator[Stack]:
    """``placet dev``."""
    port = free_port()
    async with _database(servers.postgres, "bench_embedded") as database_url:
        arguments = ["dev", _APP, "--port", str(port), "--data", str(folder)]
        async with _placet(arguments, {"PLACET_DATABASE_URL": database_url}):
            url = f"http://127.0.0.1:{port}"
            await ready(url, "/readyz")
            from placet_standalone.secrets import load

            yield Stack(url, load(folder).admin_key, database_url)


@asynccontextmanager
async def _database(postgres_url: str, name: str) -> AsyncIterator[str]:
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
