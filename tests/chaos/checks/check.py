"""What a check is, and what it comes to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaos.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Found:
    """How often a check looked, and what it found wrong: a line each."""

    exercised: int
    wrong: list[str]


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant, by the number that `docs/reliability.md` gives it, and how it is looked at."""

    id: str
    holds: str  # what must hold
    counts: str  # what ``exercised`` counts
    look: Callable[[Evidence], Found]


def found(exercised: int, wrong: Iterable[str]) -> Found:
    return Found(exercised, list(wrong))
