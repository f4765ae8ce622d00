"""Hints from other processes by NOTIFY. They may get lost, so nothing depends on them but speed."""

import asyncio
from collections.abc import Callable

import asyncpg

from placet_runtime.postgres import session_settings

_CHECK_EVERY = 10.0  # seconds; a connection into a black hole would stay deaf for ever


async def listen(dsn: str, schema: str, channel: str, wake: Callable[[], None]) -> None:
    """Call ``wake`` for each hint, until the connection fails."""
    conn = await asyncpg.connect(
        dsn, timeout=10, command_timeout=10, server_settings=session_settings(schema, f"placet {schema} listener")
    )
    try:
        await conn.add_listener(channel, lambda *_: wake())
        wake()
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            await conn.execute("SELECT 1")
    finally:
        conn.terminate()
