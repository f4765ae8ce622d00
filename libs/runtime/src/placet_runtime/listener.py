"""Hints from other processes by NOTIFY. They may get lost, so nothing depends on them but speed."""

import asyncio
from collections.abc import Callable

from placet_runtime.hosts import Hosts
from placet_runtime.postgres import session_settings

_CHECK_EVERY = 10.0  # seconds; a connection into a black hole would stay deaf for ever


def application_name(schema: str) -> str:
    """What a service's listening connections are called in ``pg_stat_activity``."""
    return f"placet {schema} listener"


async def listen(dsn: str, schema: str, channel: str, hear: Callable[[str], None]) -> None:
    """Call ``hear`` with each hint's payload, and with an empty one at the start, until the connection fails."""
    conn = await Hosts(dsn).connect(
        command_timeout=10, server_settings=session_settings(schema, application_name(schema))
    )
    try:
        await conn.add_listener(channel, lambda *hint: hear(hint[-1]))
        hear("")
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            await conn.execute("SELECT 1")
    finally:
        conn.terminate()
