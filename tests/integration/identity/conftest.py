"""The approval service's tables, with a few people in them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from placet_approval.handlers import groups, keys, users
from placet_approval.identity import UserChange
from placet_runtime.postgres import Connection, session_settings


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Connection]:
    """A connection to the tables, and nobody in them."""
    settings = session_settings("approval", "placet tests")
    made: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database_url, server_settings=settings)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def people(conn: Connection) -> Connection:
    """Ana, known in every way there is, and Bo; Ana is in finance."""
    await users.create(
        conn,
        UserChange(
            "ana",
            name="Ana Lopez",
            roles=frozenset({"approver"}),
            emails=frozenset({"Ana@Example.com", "ana.lopez@example.com"}),
            slack=frozenset({"T0123/U0456"}),
            aliases=frozenset({"ana", "CN=Ana Lopez"}),
        ),
    )
    await users.create(conn, UserChange("bo", roles=frozenset({"viewer"}), emails=frozenset({"bo@example.com"})))
    await groups.create(conn, "finance", frozenset({"ana"}))
    await keys.create(conn, "ana-laptop", "approver", owner="ana")
    return conn
