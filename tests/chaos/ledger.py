"""What handlers did, appended to a file that no fault reaches, and on disk before they go on."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Line:
    """An effect that a handler had, or a section behind a gate that it entered."""

    kind: Literal["effect", "entered"]
    run_id: str
    name: str  # of the step, or of the gate
    detail: str  # the effect's result, or the outcome that the handler saw
    at: float  # seconds since the epoch, by this machine's clock


class Ledger:
    """One process's end of the ledger. Many append to one file: each line is one write, and they do not mix."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._effects = 0

    def effect(self, run_id: str, step: str) -> str:
        """An effect with another result each time, so that two executions can be told apart."""
        self._effects += 1
        result = f"{step} by {os.getpid()}, {self._effects}"
        self._append(Line("effect", run_id, step, result, time()))
        return result

    def enter(self, run_id: str, gate: str, outcome: str) -> None:
        """The section behind a gate begins."""
        self._append(Line("entered", run_id, gate, outcome, time()))

    def _append(self, line: Line) -> None:
        os.write(self._file, json.dumps(asdict(line)).encode() + b"\n")
        os.fsync(self._file)


def read(path: Path) -> Iterator[Line]:
    """All that was written, in order. A line that a dying process left unfinished was never acted upon."""
    with path.open("rb") as file:
        for raw in file:
            try:
                values: dict[str, Any] = json.loads(raw)
            except ValueError:
                continue
            yield Line(**values)
