"""Commands of Placet as their users run them: a process that serves, and what it says."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def serving(*arguments: str, folder: Path) -> AsyncIterator[tuple[Process, int]]:
    """A running ``placet ...``, and its port; it ends with the context."""
    port = free_port()
    async with started("-m", "placet.cli", *arguments, "--port", str(port), folder=folder) as process:
        yield process, port


@asynccontextmanager
async def started(*arguments: str, folder: Path) -> AsyncIterator[Process]:
    """A running Python, which ends with the context."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=folder, stdout=PIPE, stderr=STDOUT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def says(process: Process, text: str) -> str:
    """The next line that has a text in it."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := await process.stdout.readline():
            if text in line.decode():
                return line.decode().strip()
    raise AssertionError(f"it ended without saying {text!r}")
