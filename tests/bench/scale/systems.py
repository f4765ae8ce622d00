"""A running system and a client of it, by the name of its kind."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bench.http import Client, client
from bench.stacks import Stack, embedded, on_rabbitmq
from kit.servers import Servers

APP = "bench.scale.workflows:app"
KINDS = ("embedded", "rabbitmq")


@asynccontextmanager
async def running(kind: str, found: Servers, folder: Path) -> AsyncIterator[tuple[Stack, Client]]:
    """One of `KINDS`."""
    made = embedded(found, folder, app=APP) if kind == "embedded" else on_rabbitmq(found, app=APP)
    async with calling(made) as both:
        yield both


@asynccontextmanager
async def calling(made: AbstractAsyncContextManager[Stack]) -> AsyncIterator[tuple[Stack, Client]]:
    """A stack that is started, and a client with its key."""
    async with made as stack, client(stack.url, {"Authorization": f"Bearer {stack.key}"}) as http:
        yield stack, http
