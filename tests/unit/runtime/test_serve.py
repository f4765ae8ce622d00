"""How requests are served."""

import asyncio

from starlette.applications import Starlette

from placet_runtime.serve import Server


def test_an_idle_connection_outlasts_the_other_side() -> None:
    """Proxies and clients keep theirs for a minute; if we closed first, a request could meet the end of it."""
    server = Server(Starlette(), "127.0.0.1", 0, asyncio.Event())

    assert server.config.timeout_keep_alive > 60
