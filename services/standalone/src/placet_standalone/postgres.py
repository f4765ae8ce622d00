"""A Postgres of our own: its data in a folder, reached by a private socket, gone when this process is."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TypeAlias

import asyncpg

from placet_standalone import binaries
from placet_standalone.binaries import EmbeddedPostgresError, Runner

# Of the standard library's own kind: uvloop's does not change the user.
Guard: TypeAlias = "subprocess.Popen[bytes]"

_STARTS_WITHIN = 30.0
_STOPS_WITHIN = 15.0
_LOCKED_FOR = 5.0  # an earlier process of ours may still be on its way out
_LOCKED = ('"postmaster.pid" already exists', "shared memory block")  # of a process that runs, or of what it left

# Runs Postgres until it ends, or until the pipe on standard input closes: which it does however this process dies,
# as nobody else has its other end. A signal can come too early for a Postgres that is about to start: hence the loop.
_GUARD = """
exec 3<&0 </dev/null
"$@" 3<&- & postgres=$!
(read -r _ <&3; while kill -INT $postgres; do sleep 1; done) 2>/dev/null & watch=$!
exec 3<&-
wait $postgres
kill $watch
rmdir "$SOCKETS"
"""

_PORT = 5432  # of the socket: told to both sides, as PGPORT may say otherwise

_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_compression": "on",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class DataFolderInUse(EmbeddedPostgresError):
    """Raised when another Postgres runs on the data folder; ``pid`` is its process, if it told."""

    def __init__(self, data: Path, pid: int | None) -> None:
        who = "another process" if pid is None else f"another Postgres (process {pid})"
        super().__init__(f"{who} uses {data}: stop it, or choose another folder")
        self.data = data
        self.pid = pid


@asynccontextmanager
async def embedded(data: Path) -> AsyncIterator[str]:
    """A running Postgres on a data folder, made if it is not there; yields its address.

    Root cannot run Postgres: then another user does, and owns the data, which may therefore lie elsewhere.

    Raises:
        DataFolderInUse: another Postgres runs on it.
        EmbeddedPostgresError: there are no programs, the data is of another version, or the start failed.
    """
    user = binaries.runner()
    programs = binaries.find(user)
    folder = user.place(data.resolve())
    await _initialise(programs, folder, user)
    process, sockets = await _start(programs, folder, user)
    try:
        yield f"postgresql://placet@/placet?host={sockets}&port={_PORT}"
    finally:
        try:
            await _stop(process)
        finally:
            shutil.rmtree(sockets, ignore_errors=True)


async def _initialise(programs: Path, folder: Path, user: Runner) -> None:
    """Make the data folder, in one step; or see that it fits."""
    if (folder / "PG_VERSION").exists():
        made_by = (folder / "PG_VERSION").read_text().strip()
        ours = (await _output([str(programs / "postgres"), "--version"], user)).split()[2].split(".")[0]
        if made_by != ours:
            raise EmbeddedPostgresError(f"{folder} was made by PostgreSQL {made_by}, and this is PostgreSQL {ours}")
        return
    if folder.exists() and any(folder.iterdir()):
        raise EmbeddedPostgresError(f"{folder} is not empty, and not a data folder of Postgres: choose another")
    _make(folder.parent, user)
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        user.give(fresh)
        await _output(
            [
                *(str(programs / "initdb"), "-D", str(fresh), "-U", "placet", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--data-checksums"),
            ],
            user,
        )
        try:
            fresh.rename(folder)
        except OSError:
            if not (folder / "PG_VERSION").exists():  # where it does, another process was faster
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _make(folder: Path, user: Runner) -> None:
    """Make a folder and what is missing above it, so that the user who runs Postgres gets through."""
    if folder.exists():
        return
    _make(folder.parent, user)
    with suppress(FileExistsError):
        folder.mkdir()
        if user.drops:
            folder.chmod(0o755)  # whatever the umask says


async def _start(programs: Path, folder: Path, user: Runner) -> tuple[Guard, Path]:
    """Start Postgres; the process that guards it, and the folder of its socket."""
    began = monotonic()
    log = folder.parent / f"{folder.name}.log"
    while True:
        told = log.stat().st_size if log.exists() else 0
        sockets = Path(tempfile.mkdtemp(prefix="placet-", dir="/tmp"))  # short, as socket paths must be
        user.give(sockets)
        process = _spawn(programs, folder, sockets, log, user)
        try:
            await _answers(process, sockets, deadline=began + _STARTS_WITHIN)
            return process, sockets
        except BaseException as error:
            await _stop(process)
            shutil.rmtree(sockets, ignore_errors=True)
            if not isinstance(error, ChildProcessError | TimeoutError):
                raise
        reason = _tail(log, told)
        if not any(sign in reason for sign in _LOCKED):
            raise EmbeddedPostgresError(f"Postgres did not start:\n{reason}")
        if monotonic() > began + _LOCKED_FOR:
            owner = re.search(r"PID (\d+)", reason)
            raise DataFolderInUse(folder, int(owner[1]) if owner else None)
        await asyncio.sleep(0.2)


def _spawn(programs: Path, folder: Path, sockets: Path, log: Path, user: Runner) -> Guard:
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with log.open("ab") as out:  # another Postgres may be writing
        process: Guard = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                _GUARD,
                "sh",
                str(programs / "postgres"),
                "-D",
                str(folder),
                "-k",
                str(sockets),
                *settings,
            ],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "SOCKETS": str(sockets)},
            start_new_session=True,  # Ctrl-C is for this process alone
            **user.options,  # type: ignore[call-overload]
        )
    return process


async def _answers(process: Guard, sockets: Path, *, deadline: float) -> None:
    """Wait until Postgres answers, and has our database.

    Raises:
        ChildProcessError: it ended.
        TimeoutError: the deadline passed.
    """
    while True:
        if process.poll() is not None:
            raise ChildProcessError
        if monotonic() > deadline:
            raise TimeoutError
        try:
            conn = await asyncpg.connect(host=str(sockets), port=_PORT, user="placet", database="postgres", timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            await asyncio.sleep(0.03)
            continue
        try:
            if not await conn.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'placet')"):
                await conn.execute("CREATE DATABASE placet")
        finally:
            await conn.close()
        return


async def _stop(process: Guard) -> None:
    """Close the pipe, which has the guard stop Postgres; bounded in time."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.to_thread(process.wait, _STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # what was committed is safe: the next start recovers
        await asyncio.to_thread(process.wait)


async def _output(command: Sequence[str], user: Runner) -> str:
    done = await asyncio.to_thread(
        lambda: subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            **user.options,  # type: ignore[call-overload]
        )
    )
    text: str = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"{Path(command[0]).name} failed:\n{text.strip()}")
    return text


def _tail(log: Path, start: int) -> str:
    """The last lines of what was logged since the file had a size."""
    with log.open("rb") as file:
        file.seek(start)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-8:])
