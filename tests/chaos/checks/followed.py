"""What the database's own log of transitions says, followed from its beginning."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import cast

from chaos.evidence import Evidence
from kit.simulation.invariants import Invariants, told_together
from kit.simulation.workflows import Ledger
from placet_runtime.postgres import Pool

_MOST = 20  # lines of one kind


@dataclass(frozen=True, slots=True)
class _Log:
    wrong: dict[str, list[str]]  # by invariant
    transactions: int
    transitions: int


def said(evidence: Evidence, invariant: str) -> list[str]:
    """What the log says against an invariant."""
    return list(_follow(_Same(evidence)).wrong.get(invariant, []))


def transactions(evidence: Evidence) -> int:
    """How many transactions changed something."""
    return _follow(_Same(evidence)).transactions


def transitions(evidence: Evidence) -> int:
    """How many transitions of runs, gates and approvals there were."""
    return _follow(_Same(evidence)).transitions


class _Same:
    """Evidence by identity: it is followed once for all checks."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    def __hash__(self) -> int:
        return id(self.evidence)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.evidence is self.evidence


@lru_cache(maxsize=1)
def _follow(same: _Same) -> _Log:
    evidence = same.evidence
    invariants = Invariants(cast("Pool", None), Ledger())
    invariants.workflows = {id: row["workflow"] for id, row in evidence.runs.items()}
    wrong: dict[str, list[str]] = {}

    def note(error: AssertionError | KeyError) -> None:
        text = str(error).partition("\n")[0]
        invariant = text.partition(":")[0]
        lines = wrong.setdefault(invariant if invariant.startswith("I") else "I14", [])
        if len(lines) < _MOST:
            lines.append(text)

    for entry in evidence.entries:
        try:
            invariants.follow(entry)
        except (AssertionError, KeyError) as error:
            note(error)
            # From here on: what follows is judged by itself.
            if entry.kind == "run":
                invariants.runs[entry.id] = entry
            elif entry.kind == "approval":
                invariants.approvals[entry.id] = entry
    by_transaction = sorted(evidence.entries, key=lambda entry: entry.tx)
    count = 0
    for _, entries in groupby(by_transaction, key=lambda entry: entry.tx):
        count += 1
        try:
            told_together(list(entries))
        except AssertionError as error:
            note(error)
    kinds = Counter(entry.kind for entry in evidence.entries)
    return _Log(wrong, count, kinds["run"] + kinds["gate"] + kinds["approval"])
