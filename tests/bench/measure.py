"""What a stretch of work cost: CPU of every process below this one, commits, WAL."""

import os
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_TICKS = os.sysconf("SC_CLK_TCK")


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


async def usage(database_url: str) -> Usage:
    """Counters now."""
    conn = await asyncpg.connect(database_url)
    try:
        commits = await conn.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        wal = await conn.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    finally:
        await conn.close()
    return Usage(_cpu(), commits, wal)


def _cpu() -> dict[str, float]:
    """Seconds of CPU by kind of process, ended children included."""
    used: dict[str, float] = {}
    for pid in _descendants(os.getpid()):
        if (fields := _stat(pid)) is not None:
            ticks = (
                sum(int(value) for value in fields[11:15]) if pid != os.getpid() else int(fields[11]) + int(fields[12])
            )
            name = _kind(pid)
            used[name] = used.get(name, 0.0) + ticks / _TICKS
    return used


def _kind(pid: int) -> str:
    if pid == os.getpid():
        return "driver"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "other"
    if program == "postgres":
        return "postgres"
    if program == "beam.smp":
        return "rabbitmq"
    return next((word for word in ("approval", "executor", "notifier", "dev") if word in words), "other")


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
