"""A Postgres on a disk that is as small as the test wants it."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from kit.nodes import free_ports
from kit.outcome import CannotBeHad
from placet_standalone import binaries

_SIZE = "128m"
_ANSWERS_WITHIN = 30.0
_SETTINGS = ("shared_buffers=16MB", "min_wal_size=4MB", "max_wal_size=16MB", "autovacuum=off")


class SmallDisk:
    """A server with a file system of its own, which `fill` fills. It is stopped and started by hand."""

    def __init__(self, folder: Path, port: int, programs: Path, user: binaries.Runner) -> None:
        self.url = f"postgres://placet@127.0.0.1:{port}/postgres"
        self._folder = folder
        self._port = port
        self._programs = programs
        self._user = user
        self._ballast = folder / "ballast"
        self._process: subprocess.Popen[bytes] | None = None

    def fill(self) -> None:
        """Leave not a byte."""
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def clear(self) -> None:
        self._ballast.unlink()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start the server, as whoever looks after it would, and wait until it answers."""
        words = [word for setting in _SETTINGS for word in ("-c", setting)]
        self._process = subprocess.Popen(
            [
                *(str(self._programs / "postgres"), "-D", str(self._folder / "data")),
                *("-h", "127.0.0.1", "-p", str(self._port), "-k", "", *words),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            **self._user.options,  # type: ignore[call-overload]
        )
        async with asyncio.timeout(_ANSWERS_WITHIN):
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    await (await asyncpg.connect(self.url, timeout=5)).close()
                    return
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate() if self.runs else None
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()


@asynccontextmanager
async def small_disk() -> AsyncIterator[SmallDisk]:
    """A server that runs.

    Raises:
        CannotBeHad: this machine does not let us mount a file system.
    """
    folder = Path(tempfile.mkdtemp(prefix="placet-disk-", dir="/tmp"))
    mounted = await asyncio.to_thread(
        subprocess.run, ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        folder.rmdir()
        raise CannotBeHad(f"mount: {mounted.stderr.decode(errors='replace').strip()}")
    try:
        user = binaries.runner()
        programs = binaries.find(user)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        user.give(folder / "data")
        made = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "placet", "--auth=trust", "--wal-segsize=1"]
        await asyncio.to_thread(
            lambda: subprocess.run(
                made,
                check=True,
                capture_output=True,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                **user.options,  # type: ignore[call-overload]
            )
        )
        disk = SmallDisk(folder, free_ports(1)[0], programs, user)
        await disk.start()
        try:
            yield disk
        finally:
            disk.stop()
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=True)
        folder.rmdir()
