"""Which fault comes when: all of it from the seed, so that a schedule can be replayed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random

GAP = (2.0, 5.0)  # seconds between the beginnings of two faults


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how much of all faults it is, in what variants it comes, and what it can befall."""

    weight: int
    variants: Sequence[str]
    targets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault, ``at`` seconds after the first may come; ``dice`` seeds what else it draws."""

    at: float
    kind: str
    variant: str
    target: str
    dice: str


def plan(seed: int, seconds: float, kinds: Mapping[str, Kind], gap: tuple[float, float] = GAP) -> list[Planned]:
    """The faults of so many seconds: each kind once, then by weight.

    The first variant and target of a kind are those that come first in every run; the others come by chance.
    """
    random = Random(f"{seed} faults")
    variants = {name: _turns(random, kind.variants) for name, kind in kinds.items()}
    targets = {name: _turns(random, kind.targets) for name, kind in kinds.items()}
    names = random.sample(list(kinds), len(kinds))
    planned: list[Planned] = []
    at = 0.0
    while at < seconds:
        [name] = [names.pop()] if names else random.choices(list(kinds), [kind.weight for kind in kinds.values()])
        dice = f"{seed} fault {len(planned)}"
        planned.append(Planned(round(at, 3), name, next(variants[name]), next(targets[name]), dice))
        at += random.uniform(*gap)
    return planned


def _turns(random: Random, values: Sequence[str]) -> Iterator[str]:
    """The first value, then the others in a random order, and again."""
    return cycle([values[0], *random.sample(values[1:], len(values) - 1)])
