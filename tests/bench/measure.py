"""What a stretch of work cost: CPU of all processes, commits, WAL."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Counters at a moment."""

    cpu: dict[str, float]  # seconds, by process group
    commits: int
    wal: int  # bytes

    def since(self, before: "Usage") -> "Usage":
        """What was used in between."""
        return Usage(
            {name: seconds - before.cpu.get(name, 0.0) for name, seconds in self.cpu.items()},
            self.commits - before.commits,
            self.wal - before.wal,
        )


async def usage(database_url: str, groups: dict[str, Sequence[int]]) -> Usage:
    """Counters now; ``groups`` names the root processes, whose descendants count with them."""
    conn = await asyncpg.connect(database_url)
    try:
        commits = await conn.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        wal = await conn.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    finally:
        await conn.close()
    return Usage({name: _cpu(roots) for name, roots in groups.items()}, commits, wal)


def descendants(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def _cpu(roots: Sequence[int]) -> float:
    """Seconds of CPU that these processes and their descendants have used, ended children included."""
    total = 0
    for root in roots:
        for pid in descendants(root):
            if (fields := _stat(pid)) is not None:
                total += sum(int(ticks) for ticks in fields[11:15])
    return total / _TICKS


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
