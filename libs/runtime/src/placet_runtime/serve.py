"""Runs a service's ASGI app until it is told to stop."""

import asyncio
import sys
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

_DRAIN = 10  # seconds that requests under way get
_KEEP_ALIVE = 75  # of an idle connection: whoever closes first, it must not be us while the other side sends a request


class Server(uvicorn.Server):
    """Serves until SIGTERM or SIGINT: then ``stopping`` is set, requests drain, and the app's lifespan ends."""

    def __init__(self, app: ASGIApp, host: str, port: int, stopping: asyncio.Event) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # nothing here asks who is at the other end
                server_header=False,
                timeout_graceful_shutdown=_DRAIN,
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        self._stopping = stopping

    def stop(self) -> None:
        """Stop as a signal would."""
        self._stopping.set()  # long polls answer now
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)


def serve(app: ASGIApp, host: str, port: int, stopping: asyncio.Event) -> None:
    """Serve in this process; exits with 3 if the app does not start."""
    server = Server(app, host, port, stopping)
    server.run()
    if not server.started:
        sys.exit(3)
