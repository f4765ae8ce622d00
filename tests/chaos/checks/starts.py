"""Starts: none is lost, and each starts one run."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from chaos.checks.check import Found, found
from chaos.client import Started
from chaos.evidence import Evidence

_IN_THE_BROKER = 15.0  # seconds at most, that a message may have waited when the broker was wiped


def never_lost(evidence: Evidence) -> Found:
    """I1. A message that only a wiped broker had is its publisher's to send again, as docs/guides/operating.md says."""
    return found(len(evidence.memory.started), _lost(evidence))


def excused(evidence: Evidence) -> int:
    """How many starts only a wiped broker had."""
    return sum(
        start.run_id not in evidence.runs and _only_a_wiped_broker_had(evidence, start)
        for start in evidence.memory.started
    )


def one_run_each(evidence: Evidence) -> Found:
    """I2."""
    counts = evidence.memory.counts
    return found(counts["starts repeated"] + counts["contradictions refused"], _repeated(evidence))


def _lost(evidence: Evidence) -> Iterator[str]:
    for start in evidence.memory.started:
        row = evidence.runs.get(start.run_id)
        if row is None:
            if not _only_a_wiped_broker_had(evidence, start):
                yield f"{start} has no run"
        elif (row["workflow"], _parsed(row["input"])) != (start.workflow, start.input):
            yield f"{start}, but its run is {row}"
        if row is not None and start.run_id not in evidence.shown:
            yield f"{start} is not shown"


def _only_a_wiped_broker_had(evidence: Evidence, start: Started) -> bool:
    if start.via == "http":
        return False
    return any(began - _IN_THE_BROKER <= start.at <= ended for began, ended in evidence.wipes())


def _repeated(evidence: Evidence) -> Iterator[str]:
    for run_id in evidence.runs.keys() - evidence.asked:
        yield f"nobody has asked for run {run_id}"
    if accepted := evidence.memory.counts["contradictions accepted"]:
        yield f"{accepted} starts were accepted with the id of another run"
    for row in evidence.quarantined:
        if row["type"] == "workflow.start.v1":
            yield f"a repeat was taken for a contradiction: {row}"


def _parsed(text: str | None) -> Any:
    return None if text is None else from_json(text)
