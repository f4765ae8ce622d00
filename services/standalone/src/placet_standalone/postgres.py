"""A Postgres of our own: its data in a folder, reached by a private socket, gone when this process is."""

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import asyncpg

from placet_standalone import binaries
from placet_standalone.binaries import EmbeddedPostgresError, Runner

_STARTS_WITHIN = 30.0
_STOPS_WITHIN = 15.0
_LOCKED_FOR = 5.0  # an earlier process of ours may still be on its way out

# Runs Postgres until it ends, or until the pipe on standard input closes: which it does however this process dies.
_GUARD = """
exec 3<&0
"$@" 3<&- </dev/null & postgres=$!
(cat <&3 >/dev/null; kill -INT $postgres) 2>/dev/null &
exec 3<&-
wait $postgres
"""

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_compression": "on",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class DataFolderInUse(EmbeddedPostgresError):
    """Raised when another Postgres runs on the data folder."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"another process uses {data}: stop it, or choose another folder")


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
    sockets = Path(tempfile.mkdtemp(prefix="placet-", dir="/tmp"))  # short, as socket paths must be
    try:
        user.give(sockets)
        process = await _start(programs, folder, sockets, user)
        try:
            yield f"postgresql://placet@/placet?host={sockets}"
        finally:
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
    folder.parent.mkdir(parents=True, exist_ok=True)
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
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


async def _start(programs: Path, folder: Path, sockets: Path, user: Runner) -> Process:
    began = monotonic()
    log = folder.parent / f"{folder.name}.log"
    while True:
        process = await _spawn(programs, folder, sockets, log, user)
        try:
            await _answers(process, sockets, deadline=began + _STARTS_WITHIN)
        except TimeoutError:
            await _stop(process)
            raise EmbeddedPostgresError(
                f"Postgres did not start within {_STARTS_WITHIN:.0f} s:\n{_tail(log)}"
            ) from None
        except ChildProcessError:
            told = _tail(log)
            if "postmaster.pid" not in told:
                raise EmbeddedPostgresError(f"Postgres did not start:\n{told}") from None
            if monotonic() > began + _LOCKED_FOR:
                raise DataFolderInUse(folder) from None
            await asyncio.sleep(0.2)
        except BaseException:
            await _stop(process)
            raise
        else:
            return process


async def _spawn(programs: Path, folder: Path, sockets: Path, log: Path, user: Runner) -> Process:
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            *("sh", "-c", _GUARD, "sh"),
            *(str(programs / "postgres"), "-D", str(folder), "-k", str(sockets), *settings),
            stdin=PIPE,
            stdout=out,
            stderr=out,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C is for this process alone
            **user.options,  # type: ignore[arg-type]
        )


async def _answers(process: Process, sockets: Path, *, deadline: float) -> None:
    """Wait until Postgres answers, and has our database."""
    while True:
        if process.returncode is not None:
            raise ChildProcessError
        if monotonic() > deadline:
            raise TimeoutError
        try:
            conn = await asyncpg.connect(host=str(sockets), user="placet", database="postgres", timeout=5)
        except (OSError, asyncpg.CannotConnectNowError, TimeoutError):
            await asyncio.sleep(0.03)
            continue
        try:
            if not await conn.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'placet')"):
                await conn.execute("CREATE DATABASE placet")
        finally:
            await conn.close()
        return


async def _stop(process: Process) -> None:
    """Close the pipe, which has the guard stop Postgres; bounded in time."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOPS_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _output(command: Sequence[str], user: Runner) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        **user.options,  # type: ignore[arg-type]
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace")
    if process.returncode != 0:
        raise EmbeddedPostgresError(f"{Path(command[0]).name} failed:\n{text.strip()}")
    return text


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    except OSError:
        return "(no log)"
