"""A lean HTTP/1.1 client: a load driver shares the machine with what it measures, so it must cost next to nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser


class ConnectionLost(ConnectionError):
    """The connection ended before the answer was whole. Whether the request was carried out is not known."""


class Client:
    """Requests to an origin, each on a connection of its own while it lasts; then others use it."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None, url
        self._host, self._port = parts.hostname, parts.port or 80
        common = {"Host": parts.netloc, "Content-Type": "application/json", **(headers or {})}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in common.items())
        self._idle: list[_Connection] = []

    async def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and the body of the answer, whatever the status.

        Raises:
            ConnectionLost: the answer did not come.
            OSError: there is no connection to be had.
        """
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}{length}\r\n".encode()
        connection = self._take() or await self._connect()
        try:
            answer = await connection.exchange(head if body is None else head + body)
        except BaseException:
            connection.close()
            raise
        if connection.open:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that no request uses."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection


@asynccontextmanager
async def client(url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Client]:
    """A client, closed at the end."""
    made = Client(url, headers)
    try:
        yield made
    finally:
        made.close()


class _Connection(asyncio.Protocol):
    """One connection, which carries one exchange at a time. The methods ``on_...`` are the parser's to call."""

    def __init__(self) -> None:
        self.open = False
        self._transport: asyncio.Transport
        self._parser: HttpResponseParser
        self._body = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        self._parser = HttpResponseParser(self)
        self._body = bytearray()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(ConnectionLost(f"not HTTP: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._fail(ConnectionLost(str(exc or "closed by the server")))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer: the one that counts follows
            return
        if not self._parser.should_keep_alive():
            self.close()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((status, bytes(self._body)))

    def _fail(self, error: ConnectionLost) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
