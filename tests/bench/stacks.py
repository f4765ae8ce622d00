"""What is measured: three service processes on RabbitMQ, or all in one process; Postgres is the same for both."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.http import client
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
    key, signing_key, port = secrets.token_urlsafe(24), generate_key(), _free_port()
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
            ("executor", {"PLACET_PORT": str(_free_port()), "PLACET_VERIFY_KEYS": public_key(signing_key)}),
            ("notifier", {"PLACET_PORT": str(_free_port())}),
        ):
            arguments = [service, _APP] if service == "executor" else [service]
            await stack.enter_async_context(_process(arguments, shared | own))
        yield await _ready(Stack(f"http://127.0.0.1:{port}", key, database_url))


@asynccontextmanager
async def embedded(servers: Servers, folder: Path) -> AsyncIterator[Stack]:
    """``placet dev``."""
    port = _free_port()
    async with _database(servers.postgres, "bench_embedded") as database_url:
        arguments = ["dev", _APP, "--port", str(port), "--data", str(folder)]
        async with _process(arguments, {"PLACET_DATABASE_URL": database_url}):
            stack = await _ready(Stack(f"http://127.0.0.1:{port}", "", database_url))
            from placet_standalone.secrets import load

            yield Stack(stack.url, load(folder).admin_key, database_url)


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


@asynccontextmanager
async def _process(arguments: list[str], environment: dict[str, str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "placet.cli", *arguments),
        env={**os.environ, **environment, "PYTHONPATH": str(_TESTS)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(stack: Stack) -> Stack:
    async with asyncio.timeout(60), client(stack.url) as http:
        while True:
            with suppress(OSError):
                status, _ = await http.request("GET", "/readyz")
                if status == 200:
                    return stack
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
