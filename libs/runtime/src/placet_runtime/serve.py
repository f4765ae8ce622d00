"""Runs a service's ASGI app until it is told to stop."""

import asyncio
import sys
from types import FrameType

import uvicorn
from starlette.applications import Starlette

_DRAIN = 10  # seconds that requests under way get


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()  # long polls answer now
        super().handle_exit(sig, frame)


def serve(app: Starlette, host: str, port: int, stopping: asyncio.Event) -> None:
    """Serve until SIGTERM or SIGINT: then ``stopping`` is set, requests drain, and the lifespan ends."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN,
    )
    server = _Server(config, stopping)
    server.run()
    if not server.started:
        sys.exit(3)
