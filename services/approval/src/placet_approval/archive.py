"""Where runs go before they are deleted: files of JSON lines, one for each day and process."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from placet_approval.domain import Approval, Run


class Archive:
    """A folder that is written to, and never read here. ``render`` makes a line, without its end."""

    def __init__(self, folder: Path, render: Callable[[Run, Sequence[Approval]], bytes]) -> None:
        self._folder = folder
        self._render = render
        self._process = f"{socket.gethostname()}-{os.getpid()}"

    async def write(self, runs: Sequence[tuple[Run, Sequence[Approval]]]) -> None:
        """Have runs with their approvals on disk. After a crash they may be there twice."""
        lines = b"".join(self._render(run, approvals) + b"\n" for run, approvals in runs)
        await asyncio.to_thread(self._append, lines)

    def _append(self, lines: bytes) -> None:
        path = self._folder / f"runs-{datetime.now(UTC):%Y-%m-%d}-{self._process}.jsonl"
        new = not path.exists()
        with path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if new:
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)  # the file's name
            finally:
                os.close(folder)
