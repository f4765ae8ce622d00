"""An HTTP server that records what it gets and answers as it is told: a webhook's receiver, or Slack."""

import asyncio
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return from_json(self.body)


@dataclass
class Receiver:
    """What a server has got, and what it is to answer: ``default`` unless told otherwise."""

    origin: str
    port: int
    default: Response = field(default_factory=lambda: Response(status_code=204))
    answers: dict[str, deque[Response]] = field(default_factory=lambda: defaultdict(deque))  # the next ones, by path
    requests: list[Received] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def to(self, path: str) -> list[Received]:
        return [request for request in self.requests if request.path == path]

    async def got(self, count: int) -> list[Received]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        received = Received(request.method, request.url.path, request.headers, await request.body())
        answers = self.answers[received.path]
        answer = answers.popleft() if answers else self.default
        async with self._changed:
            self.requests.append(received)
            self._changed.notify_all()
        await answer(scope, receive, send)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are the test's


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket, **options: Any) -> AsyncIterator[None]:
    """Serve an app, which needs no lifespan, on a socket; the socket is the caller's to close."""
    server = _Server(
        uvicorn.Config(app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1, **options)
    )
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def http_server(*, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[Receiver]:
    """A server on a free port of 127.0.0.1; with TLS where it has the files of a certificate and of its key."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        receiver = Receiver(f"{'https' if certificate else 'http'}://127.0.0.1:{port}", port)
        tls = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if certificate else {}
        async with serving(receiver, listening, **tls):
            yield receiver


@asynccontextmanager
async def slack_server() -> AsyncIterator[Receiver]:
    """Slack's API, as far as posting needs it; ``ana@example.com`` is the user ``U0ANA``."""
    async with http_server() as receiver:
        receiver.default = JSONResponse({"ok": True, "channel": "C1", "ts": "1.2", "user": {"id": "U0ANA"}})
        yield receiver


def slack_error(code: str, status: int = 200, **headers: str) -> Response:
    """Slack's answer where something is wrong; ``retry_after="3"`` becomes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"ok": False, "error": code}, status_code=status, headers=named)
