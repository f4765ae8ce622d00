"""What processes hold: open file descriptors, and memory."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chaos.stack import Stack

Usage = tuple[int, int]
"""Open file descriptors, and KiB of memory."""


def usage(stack: Stack) -> dict[str, Usage]:
    """Of every process that runs now, by its name."""
    found = {}
    for replica in stack.replicas:
        with suppress(OSError):
            if (pid := replica.pid) is not None:
                found[replica.name] = _of(Path("/proc") / str(pid))
    return found


def growth(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, Usage]:
    """By how much each has grown, where it was there before and afterwards."""
    return {name: (now[0] - before[name][0], now[1] - before[name][1]) for name, now in after.items() if name in before}


def _of(process: Path) -> Usage:
    [memory] = [int(line.split()[1]) for line in (process / "status").read_text().splitlines() if "VmRSS:" in line]
    return sum(1 for _ in (process / "fd").iterdir()), memory
