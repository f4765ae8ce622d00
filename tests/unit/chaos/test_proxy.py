"""The proxy passes bytes on, and does to connections what its weather says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import pytest

from kit.proxy import CALM, Proxy, Weather, proxy

HELLO = b"hello"


@asynccontextmanager
async def echo() -> AsyncIterator[Proxy]:
    """A proxy in front of a server that says what it hears."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as made:
        yield made


@asynccontextmanager
async def connected(made: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(HELLO)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(HELLO))


async def test_calm() -> None:
    """Without weather everything passes, and nothing was troubled."""
    async with echo() as made, connected(made) as (reader, writer):
        assert await said(reader, writer) == HELLO
        assert (made.passed, made.troubled) == (2 * len(HELLO), 0)


async def test_black_hole() -> None:
    """Nothing passes and nobody is told; what was held passes on afterwards."""
    async with echo() as made, connected(made) as (reader, writer):
        assert await said(reader, writer) == HELLO
        await made.become(Weather(hole=True))
        writer.write(HELLO)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        assert made.troubled

        await made.become(CALM)

        assert await reader.readexactly(len(HELLO)) == HELLO


async def test_reset() -> None:
    """A reset ends connections that there are; new ones go through."""
    async with echo() as made:
        async with connected(made) as (reader, writer):
            assert await said(reader, writer) == HELLO
            made.cut()
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        async with connected(made) as (reader, writer):
            assert await said(reader, writer) == HELLO
        assert made.troubled == 1


async def test_half_close() -> None:
    """The client hears the server's end, and nothing more that it says; its own side stays open."""
    async with echo() as made, connected(made) as (reader, writer):
        assert await said(reader, writer) == HELLO
        await made.become(Weather(deaf=True))

        assert await reader.read() == b""
        writer.write(HELLO)
        await writer.drain()
        assert made.troubled

        writer.close()
        async with asyncio.timeout(5):  # the server hears of that end, and is not kept waiting for ever
            while made.connections:
                await asyncio.sleep(0)


async def test_cut_after() -> None:
    """A connection ends in the middle of what it carries."""
    async with echo() as made, connected(made) as (reader, writer):
        await made.become(Weather(cut_after=len(HELLO) + 2))
        writer.write(HELLO)
        received = b""
        with suppress(ConnectionResetError):
            while piece := await reader.read(100):
                received += piece

        assert len(received) <= 2
        assert made.passed == len(HELLO) + 2


@pytest.mark.parametrize("weather", [Weather(latency=0.1), Weather(rate=len(HELLO) / 0.1)])
async def test_slow(weather: Weather) -> None:
    """What is slow takes its time, in both directions, and arrives."""
    async with echo() as made, connected(made) as (reader, writer):
        await made.become(weather)
        began = monotonic()

        assert await said(reader, writer) == HELLO
        assert monotonic() - began >= 0.2


async def test_no_server() -> None:
    """Where nobody listens behind it, connections are reset."""
    async with proxy("127.0.0.1", 1) as made, connected(made) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
