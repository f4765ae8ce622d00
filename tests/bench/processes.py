"""The programs that are measured: started, waited for, and ended."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bench.http import client

_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 10.0
_LOOKS_EVERY = 0.02


@asynccontextmanager
async def process(command: Sequence[str | Path], environment: Mapping[str, str]) -> AsyncIterator[None]:
    """A program that runs for as long as the context lasts, and whatever it started."""
    running = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if running.returncode is None:
            running.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(running.wait(), _ENDS_WITHIN)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()


async def ready(url: str, path: str) -> None:
    """Wait until a server says that it is ready.

    Raises:
        RuntimeError: it does not.
    """
    try:
        async with asyncio.timeout(_STARTS_WITHIN), client(url) as http:
            while True:
                with suppress(OSError):
                    status, _ = await http.request("GET", path)
                    if status == 200:
                        return
                await asyncio.sleep(_LOOKS_EVERY)
    except TimeoutError as error:
        raise RuntimeError(f"{url}{path} was not ready within {_STARTS_WITHIN:.0f} s") from error


def end_in_order() -> None:
    """Have the current task cancelled when this process is told to end, so that its programs end too."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
