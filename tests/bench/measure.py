"""What a stretch of work cost: CPU and memory of every process below this one, commits, WAL."""

import os
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_TICKS = os.sysconf("SC_CLK_TCK")
_PROGRAMS = {"postgres": "postgres", "beam.smp": "rabbitmq", "restate-server": "restate"}
_WORDS = {
    **{word: word for word in ("approval", "executor", "notifier", "dev")},
    **{"on_dbos.py": "app", "on_restate:app": "app"},
}


@dataclass(frozen=True)
class Usage:
    """Counters at a moment, or what was used between two."""

    cpu: dict[str, float]  # seconds, by kind of process
    commits: int
    wal: int  # bytes

    def since(self, before: "Usage") -> "Usage":
        return Usage(
            {name: seconds - before.cpu.get(name, 0.0) for name, seconds in self.cpu.items()},
            self.commits - before.commits,
            self.wal - before.wal,
        )


async def usage(database_url: str | None) -> Usage:
    """Counters now; without a database, those of the processes alone."""
    if database_url is None:
        return Usage(_cpu(), 0, 0)
    conn = await asyncpg.connect(database_url)
    try:
        commits = await conn.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        wal = await conn.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    finally:
        await conn.close()
    return Usage(_cpu(), commits, wal)


def memory() -> dict[str, int]:
    """Bytes of memory by kind of process, but for this one. What processes share is divided among them."""
    used: dict[str, int] = {}
    for pid, kind in _processes().items():
        if kind == "driver":
            continue
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it has ended
        [kilobytes] = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
        used[kind] = used.get(kind, 0) + 1024 * int(kilobytes)
    return used


def descriptors() -> dict[str, int]:
    """Open file descriptors by kind of process, but for this one."""
    used: dict[str, int] = {}
    for pid, kind in _processes().items():
        if kind == "driver":
            continue
        try:
            used[kind] = used.get(kind, 0) + len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except OSError:
            continue  # it has ended
    return used


def _cpu() -> dict[str, float]:
    """Seconds of CPU by kind of process, ended children included."""
    used: dict[str, float] = {}
    for pid, kind in _processes().items():
        if (fields := _stat(pid)) is not None:
            ticks = sum(int(value) for value in fields[11 : 13 if kind == "driver" else 15])
            used[kind] = used.get(kind, 0.0) + ticks / _TICKS
    return used


def _processes() -> dict[int, str]:
    """This process and all below it, with what they are: where that is not known, what their parent is."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = {os.getpid(): "driver"}
    left = [(pid, "other") for pid in children.get(os.getpid(), [])]
    while left:
        pid, parent = left.pop()
        found[pid] = _kind(pid) or parent
        left += [(child, found[pid]) for child in children.get(pid, [])]
    return found


def _kind(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None
    return _PROGRAMS.get(program) or next((_WORDS[name] for word in words if (name := Path(word).name) in _WORDS), None)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
