"""A database of a test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg


@asynccontextmanager
async def database(postgres_url: str, locale: str | None = None) -> AsyncIterator[str]:
    """An empty database, dropped afterwards; its address. Without ``locale``, of the server's."""
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_url)
    try:
        of = "" if locale is None else f"TEMPLATE template0 LOCALE '{locale}'"
        await admin.execute(f"CREATE DATABASE {name} {of}")
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()
