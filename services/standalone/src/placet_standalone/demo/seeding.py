"""Fills an empty deployment with a believable company: once."""

from datetime import UTC, datetime

import asyncpg

from placet_approval.api.services import Services
from placet_approval.domain import NotFound
from placet_approval.handlers import sessions
from placet_runtime import migrations
from placet_runtime.postgres import session_settings
from placet_standalone.demo import backlog, past, people, store


async def prepare(dsn: str) -> None:
    """Before the services start: move the company in, with its past, where nothing has happened yet."""
    await migrations.apply(dsn, "approval")
    settings = session_settings("approval", "placet demo")
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn, timeout=10, server_settings=settings)
    try:
        async with conn.transaction():
            if await store.is_new(conn):
                await people.move_in(conn)
                await past.write(conn, datetime.now(UTC))
    finally:
        await conn.close()


async def fill(services: Services) -> bool:
    """Once they run: start what waits, unless that was done before. False where somebody else's data is here."""
    async with services.deps.pool.acquire() as conn:
        if not await people.are_here(conn):
            return False
    try:
        await services.run.submit(backlog.WAITING[0].run_id)
    except NotFound:
        await backlog.fill(services)
    return True


async def link(services: Services) -> str:
    """The path of a link that signs in somebody who may decide on most of it."""
    async with services.deps.pool.acquire() as conn:
        return await sessions.link(conn, people.YOU)
