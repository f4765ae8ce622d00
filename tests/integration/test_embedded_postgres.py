"""The embedded Postgres: durable, alone on its folder, gone with its process; as root and as anybody else."""

import asyncio
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from kit import holder
from placet_standalone import binaries
from placet_standalone.binaries import EmbeddedPostgresError
from placet_standalone.postgres import DataFolderInUse, embedded

ROOT = os.geteuid() == 0
WHO = ["root", "nobody"] if ROOT else [pwd.getpwuid(os.geteuid()).pw_name]
ENDS_WITHIN = 20.0


@dataclass(frozen=True)
class Held:
    """A process that holds an embedded Postgres."""

    process: asyncio.subprocess.Process
    dsn: str
    pid: int  # of Postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="placet-test-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=WHO)
def who(request: pytest.FixtureRequest, folder: Path) -> str:
    """Who holds Postgres, and owns the folder."""
    name: str = request.param
    if name != WHO[0]:
        os.chown(folder, pwd.getpwnam(name).pw_uid, -1)
    return name


@asynccontextmanager
async def held(data: Path, who: str) -> AsyncIterator[Held]:
    process = await hold(data, who)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        dsn, pid = (await process.stdout.readline()).decode().split()
        yield Held(process, dsn, int(pid))
    finally:
        process.stdin.close()
        await process.communicate()


async def hold(data: Path, who: str) -> asyncio.subprocess.Process:
    drop = [who] if who != WHO[0] else []
    wheel = reachable_wheel(data.parent, who)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(holder.__file__)), str(data), *drop),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(wheel), os.environ.get("PYTHONPATH", "")])},
    )


def reachable_wheel(beside: Path, who: str) -> Path:
    """Where a user who is not root finds the package with the programs: a copy, if it lies in root's home."""
    wheel = binaries._wheel()
    user = pwd.getpwnam(who)
    if wheel is None or binaries.Runner(user.pw_uid, user.pw_gid, drops=ROOT).can("-x", wheel / "postgres"):
        return beside
    package = beside / "copy" / wheel.parents[1].name
    if not package.exists():
        shutil.copytree(wheel.parent, package / wheel.parent.name, symlinks=True)
        (package / "__init__.py").touch()
        libraries = wheel.parents[2] / f"{package.name}.libs"  # found by their place beside the package
        shutil.copytree(libraries, package.with_name(libraries.name))
    return package.parent


async def keep(dsn: str, word: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute("CREATE TABLE IF NOT EXISTS words (word text)")
    await conn.execute("INSERT INTO words VALUES ($1)", word)
    await conn.close()


async def kept(dsn: str) -> list[str]:
    conn = await asyncpg.connect(dsn)
    words = [row["word"] for row in await conn.fetch("SELECT word FROM words")]
    await conn.close()
    return words


async def gone(pid: int) -> None:
    """Until a process that is not ours has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], ENDS_WITHIN)
        assert ended, f"process {pid} still runs"
    finally:
        os.close(descriptor)


async def test_what_was_committed_is_there_after_a_restart(folder: Path, who: str) -> None:
    """A clean end and a new start keep the data, and end the processes."""
    async with held(folder / "data", who) as first:
        await keep(first.dsn, "kept")
    await gone(first.pid)

    async with held(folder / "data", who) as second:
        assert await kept(second.dsn) == ["kept"]


async def test_it_is_as_durable_as_postgres_and_private(folder: Path) -> None:
    """Nothing that makes a commit a commit is turned off, and no port is open."""
    async with embedded(folder / "data") as dsn:
        conn = await asyncpg.connect(dsn)
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await conn.fetchval("SELECT current_setting($1)", setting) == "on", setting
        assert await conn.fetchval("SHOW listen_addresses") == ""
        assert await conn.fetchval("SHOW server_encoding") == "UTF8"
        sockets = Path(await conn.fetchval("SHOW unix_socket_directories"))
        await conn.close()
        assert sockets.stat().st_mode & 0o777 == 0o700

    assert not sockets.exists()


async def test_it_ends_when_its_process_is_killed(folder: Path, who: str) -> None:
    """SIGKILL leaves no time to clean up, and still nothing is left behind; the next start has the data."""
    async with held(folder / "data", who) as first:
        await keep(first.dsn, "kept")
        first.process.kill()
        await gone(first.pid)

    async with held(folder / "data", who) as second:
        assert await kept(second.dsn) == ["kept"]


@pytest.mark.slow
async def test_it_recovers_when_everything_was_killed(folder: Path, who: str) -> None:
    """Postgres too dies without a chance to shut down, with a client connected."""
    async with held(folder / "data", who) as first:
        await keep(first.dsn, "kept")
        conn = await asyncpg.connect(first.dsn)
        sockets = await conn.fetchval("SHOW unix_socket_directories")
        first.process.kill()
        os.killpg(os.getpgid(first.pid), signal.SIGKILL)
        conn.terminate()

    async with held(folder / "data", who) as second:
        assert await kept(second.dsn) == ["kept"]
    shutil.rmtree(sockets)  # nobody was left to do it


async def test_a_killed_start_leaves_nothing_running(folder: Path) -> None:
    """A process that dies while its Postgres still comes up takes it along."""
    async with held(folder / "data", WHO[0]):
        pass
    lock = folder / "data" / "postmaster.pid"
    process = await hold(folder / "data", WHO[0])
    async with asyncio.timeout(ENDS_WITHIN):
        while not (lock.exists() and lock.read_text().strip()):
            await asyncio.sleep(0)
    pid = int(lock.read_text().split()[0])
    process.kill()
    await process.communicate()

    await gone(pid)


@pytest.mark.slow
async def test_a_second_process_on_the_folder_is_told(folder: Path) -> None:
    """It learns who is there, and does not disturb them, nor their log."""
    async with held(folder / "data", WHO[0]) as first:
        log = next(folder.glob("*.log"))
        before = log.read_bytes()
        with pytest.raises(DataFolderInUse, match=str(first.pid)) as refused:
            async with embedded(folder / "data"):
                pass
        assert refused.value.data == folder / "data"
        assert log.read_bytes().startswith(before)
        await keep(first.dsn, "undisturbed")


async def test_two_first_starts_at_once_make_one_folder(folder: Path) -> None:
    """Whoever comes second finds the folder made, and its Postgres running."""

    async def start() -> str:
        async with embedded(folder / "data") as dsn:
            return dsn

    outcomes = await asyncio.gather(start(), start(), return_exceptions=True)

    assert all(isinstance(outcome, str | DataFolderInUse) for outcome in outcomes), outcomes
    assert any(isinstance(outcome, str) for outcome in outcomes)
    assert sorted(path.name for path in folder.iterdir()) == ["data", "data.log"]


async def test_data_of_another_version_is_refused(folder: Path) -> None:
    """The error names both versions and the folder; nothing is changed."""
    data = folder / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")

    with pytest.raises(EmbeddedPostgresError, match=rf"{data} was made by PostgreSQL 9, .* PostgreSQL \d\d"):
        async with embedded(data):
            pass

    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


async def test_a_folder_with_something_else_is_refused(folder: Path) -> None:
    """What lies there is not touched."""
    data = folder / "data"
    data.mkdir()
    (data / "letter.txt").write_text("dear")

    with pytest.raises(EmbeddedPostgresError, match=f"{data} .* not a data folder"):
        async with embedded(data):
            pass

    assert [path.name for path in folder.iterdir()] == ["data"]
    assert (data / "letter.txt").read_text() == "dear"


async def test_a_failed_start_says_what_postgres_said(folder: Path) -> None:
    """The error ends with the last lines of the log of this start."""
    async with embedded(folder / "data"):
        pass
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write("\nnonsense = 1\n")

    with pytest.raises(EmbeddedPostgresError, match='unrecognized configuration parameter "nonsense"'):
        async with embedded(folder / "data"):
            pass


async def test_the_environment_of_other_postgres_clients_does_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that is meant for another server is not taken for ours."""
    monkeypatch.setenv("PGPORT", "6543")

    async with embedded(folder / "data") as dsn:
        await keep(dsn, "reached")


async def test_a_private_umask_does_not_keep_postgres_out(folder: Path) -> None:
    """Folders that are made for the data can be passed by whoever runs Postgres."""
    before = os.umask(0o077)
    try:
        async with embedded(folder / "new" / "data") as dsn:
            await keep(dsn, "reached")
    finally:
        os.umask(before)


if ROOT:  # nobody else changes the user

    async def test_root_keeps_data_elsewhere_if_postgres_cannot_get_there(folder: Path) -> None:
        """Below a folder of root's alone; its mode stays as it is, and the next start finds the data again."""
        folder.chmod(0o700)
        user = binaries.runner()
        place = user.place(folder / "data")
        try:
            for _ in range(2):
                async with embedded(folder / "data") as dsn:
                    await keep(dsn, "kept")
            async with embedded(folder / "data") as dsn:
                assert await kept(dsn) == ["kept", "kept"]
            assert place.parent == Path("/var/lib/placet")
            assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (user.uid, 0o700)
            assert folder.stat().st_mode & 0o777 == 0o700
            assert list(folder.iterdir()) == []
        finally:
            shutil.rmtree(place, ignore_errors=True)
            place.with_name(f"{place.name}.log").unlink(missing_ok=True)

    async def test_root_copies_the_programs_if_postgres_cannot_get_there(
        folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once for each version of the package, and only if the machine has none."""
        wheel = binaries._wheel()
        assert wheel is not None
        (home := folder / "home").mkdir(mode=0o700)
        package = wheel.parents[1]
        copied = home / package.name / wheel.parent.name
        shutil.copytree(wheel.parent, copied, symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), home / f"{package.name}.libs")
        for path in home.rglob("*"):
            path.chmod(path.stat().st_mode & 0o700, follow_symlinks=True)
        monkeypatch.setattr(binaries, "_wheel", lambda: copied / "bin")
        monkeypatch.setattr(binaries, "_of_the_machine", lambda: iter(()))
        monkeypatch.setattr(binaries, "_ROOT", folder / "lib")
        user = binaries.runner()

        programs = binaries.find(user)

        assert programs.is_relative_to(folder / "lib")
        assert binaries.find(user) == programs
        async with embedded(folder / "data") as dsn:
            await keep(dsn, "reached")

    async def test_data_stays_where_it_is_when_reach_changes(folder: Path) -> None:
        """Neither a folder that opens nor one that closes makes an empty database of a full one."""
        (closed := folder / "closed").mkdir(mode=0o700)
        place = binaries.runner().place(closed / "data")
        try:
            async with embedded(closed / "data") as dsn:
                await keep(dsn, "kept")
            closed.chmod(0o755)
            async with embedded(closed / "data") as dsn:
                assert await kept(dsn) == ["kept"]
        finally:
            shutil.rmtree(place, ignore_errors=True)
            place.with_name(f"{place.name}.log").unlink(missing_ok=True)

        async with embedded(folder / "open" / "data"):
            pass
        (folder / "open").chmod(0o700)
        with pytest.raises(EmbeddedPostgresError, match="cannot get there"):
            async with embedded(folder / "open" / "data"):
                pass
