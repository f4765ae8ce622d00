"""A TCP proxy in front of a server, which can behave as badly as a network does."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Weather:
    """What befalls connections, those that there are and new ones."""

    latency: float = 0.0  # seconds, of each piece that passes
    rate: float | None = None  # bytes a second
    hole: bool = False  # nothing passes, and nobody is told; what was held passes on once that is over
    deaf: bool = False  # half-closed: the server's side has ended for the client, whose own side stays open
    cut_after: int | None = None  # bytes, in both directions of a connection together; then it is reset


CALM = Weather()


class Proxy:
    """Passes bytes on in both directions, as its weather allows."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._links: set[_Link] = set()
        self._weather = CALM
        self._changed = asyncio.Condition()
        self.port = 0
        self.passed = 0
        """Bytes that were passed on."""
        self.troubled = 0
        """How often the weather has held, slowed or ended something."""

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._links)

    @property
    def weather(self) -> Weather:
        return self._weather

    async def become(self, weather: Weather) -> None:
        """Change the weather, also of connections that there are."""
        async with self._changed:
            self._weather = weather
            self._changed.notify_all()
        if weather.deaf:
            for link in list(self._links):
                link.deafen()
                self.troubled += 1

    def cut(self) -> None:
        """Reset every connection at once, as a lost network would."""
        for link in list(self._links):
            link.reset()
            self.troubled += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            _reset(writer)
            return
        link = _Link(self, writer, onward_writer)
        self._links.add(link)
        try:
            if self._weather.deaf:
                link.deafen()
                self.troubled += 1
            await asyncio.gather(link.pipe(reader, onward_writer), link.pipe(onward_reader, writer))
        finally:
            self._links.discard(link)
            for each in (writer, onward_writer):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()

    async def _passes(self, size: int) -> None:
        """Wait until so many bytes may pass."""
        if self._weather is CALM:
            return
        self.troubled += 1
        async with self._changed:
            await self._changed.wait_for(lambda: not self._weather.hole)
        weather = self._weather
        delay = weather.latency + (size / weather.rate if weather.rate else 0.0)
        if delay:
            await asyncio.sleep(delay)


class _Link:
    """One connection."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._deaf = False
        self._passed = 0  # while connections are cut after so many

    def deafen(self) -> None:
        """Tell the client that the server's side has ended, and pass nothing on of what it still says."""
        self._deaf = True
        with suppress(OSError, RuntimeError):
            self._client.write_eof()

    def reset(self) -> None:
        _reset(self._client)
        _reset(self._server)

    async def pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # uvloop's, of a transport that was reset meanwhile
            while data := await reader.read(65536):
                await self._proxy._passes(len(data))
                limit = self._proxy.weather.cut_after
                if limit is not None:
                    data = data[: max(limit - self._passed, 0)]
                    self._passed += len(data)
                if not (self._deaf and writer is self._client):
                    writer.write(data)
                    await writer.drain()
                    self._proxy.passed += len(data)
                if limit is not None and self._passed >= limit:
                    break
        if not (self._deaf and writer is self._client):  # of a half-closed connection the client's end is the end
            self.reset()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    with suppress(OSError, ValueError):  # it may be closed already
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@asynccontextmanager
async def proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port of 127.0.0.1."""
    made = Proxy(host, port)
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.become(CALM)
        made.cut()
        await server.wait_closed()
