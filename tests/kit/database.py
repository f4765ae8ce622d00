"""A database of a test's own."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from placet_contracts.topology import SERVICES
from placet_runtime import migrations

_TEMPLATE = "PLACET_TEST_TEMPLATE"


@asynccontextmanager
async def database(postgres_url: str) -> AsyncIterator[str]:
    """A database with the tables of every service, as migrations make them, dropped afterwards; its address."""
    async with _created(postgres_url, f"TEMPLATE {os.environ[_TEMPLATE]}") as url:
        yield url


@asynccontextmanager
async def empty_database(postgres_url: str, locale: str | None = None) -> AsyncIterator[str]:
    """A database with nothing in it, dropped afterwards; its address. Without ``locale``, of the server's."""
    source = "" if locale is None else f"TEMPLATE template0 LOCALE '{locale}'"
    async with _created(postgres_url, source) as url:
        yield url


@contextmanager
def template(postgres_url: str) -> Iterator[None]:
    """Make what ``database`` copies, here and in processes that inherit this one's environment: applying all
    migrations takes five times as long as a copy."""
    with asyncio.Runner() as runner:
        made = empty_database(postgres_url)
        url = runner.run(made.__aenter__())
        try:
            for service in SERVICES:
                runner.run(migrations.apply(url, service))
            os.environ[_TEMPLATE] = urlsplit(url).path.removeprefix("/")
            yield
        finally:
            os.environ.pop(_TEMPLATE, None)
            runner.run(made.__aexit__(None, None, None))


@asynccontextmanager
async def _created(postgres_url: str, source: str = "") -> AsyncIterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_url)
    try:
        await admin.execute(f"CREATE DATABASE {name} {source}")
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()
