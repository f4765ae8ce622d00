"""The benchmark's HTTP client, against servers that say exactly what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from bench.http import Client, ConnectionLost, client

Answering = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Served:
    """A client, and how many connections its server has seen."""

    def __init__(self) -> None:
        self.http: Client
        self.connections = 0


@asynccontextmanager
async def served(answer: Answering) -> AsyncIterator[Served]:
    """A server that calls ``answer`` with the head and the body of each request."""
    seen = Served()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, after = head.partition(b"Content-Length: ")
                length = int(after.split(b"\r\n")[0]) if after else 0
                await answer(head + await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"http://127.0.0.1:{port}", {"Authorization": "Bearer key"}) as http:
        seen.http = http
        yield seen


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_connections_are_kept() -> None:
    """Requests that follow each other share a connection; those at the same time do not."""

    async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(request))

    async with served(echo) as server:
        first = await server.http.request("POST", "/a?b=c", b'{"one": 1}')
        second = await server.http.request("GET", "/d")
        assert server.connections == 1
        await asyncio.gather(*(server.http.request("GET", "/") for _ in range(3)))

    assert server.connections == 3
    status, said = first
    assert status == 200
    assert said.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer key\r\n" in said
    assert said.endswith(b'\r\n\r\n{"one": 1}')
    assert second[1].startswith(b"GET /d HTTP/1.1\r\n")
    assert b"Content-Length" not in second[1]


async def test_chunks_are_put_together() -> None:
    """A chunked body is one body, however it arrives, and the connection serves on."""

    async def drip(request: bytes, writer: asyncio.StreamWriter) -> None:
        for part in (b"HTTP/1.1 200 OK\r\nTransfer-Enc", b"oding: chunked\r\n\r\n5\r\nhel", b"lo\r\n6\r\n wor"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"ld\r\n0\r\n\r\n")

    async with served(drip) as server:
        assert await server.http.request("GET", "/") == (200, b"hello world")
        assert await server.http.request("GET", "/") == (200, b"hello world")
        assert server.connections == 1


async def test_an_error_is_an_answer() -> None:
    """A status that says no is returned with its body, and the next request gets an answer of its own."""
    answers = iter([whole(b"no such run", "404 Not Found"), whole(b"", "204 No Content"), whole(b"yes")])

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))

    async with served(answer) as server:
        assert await server.http.request("GET", "/") == (404, b"no such run")
        assert await server.http.request("GET", "/") == (204, b"")
        assert await server.http.request("GET", "/") == (200, b"yes")


async def test_a_closed_connection_is_not_used_again() -> None:
    """Where the server says that it closes, the next request takes a new connection."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(b"bye", "200 OK", "Connection: close"))

    async with served(answer) as server:
        assert await server.http.request("GET", "/") == (200, b"bye")
        assert await server.http.request("GET", "/") == (200, b"bye")
        assert server.connections == 2


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b"SSH-2.0-it\r\n\r\n"])
async def test_a_lost_connection_is_an_error(said: bytes) -> None:
    """An answer that does not come whole is an error, and the next request has a connection of its own."""
    sayings = iter([said, whole(b"whole")])

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        saying = next(sayings)
        writer.write(saying)
        if saying == said:
            writer.close()

    async with served(answer) as server:
        with pytest.raises(ConnectionLost):
            await server.http.request("GET", "/")
        assert await server.http.request("GET", "/") == (200, b"whole")
