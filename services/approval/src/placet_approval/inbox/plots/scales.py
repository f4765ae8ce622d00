"""From values to places, and where an axis has its marks."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from math import ceil, log
from typing import Literal

from placet_approval.inbox.plots import labels, svg

Anchor = Literal["start", "middle", "end"]

_STOPS = (  # seconds; what an axis of time has marks at
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (600, "10 min"),
    (3600, "1 h"),
    (6 * 3600, "6 h"),
    (86400, "1 d"),
    (7 * 86400, "1 week"),
    (30 * 86400, "30 d"),
    (365 * 86400, "1 year"),
    (3650 * 86400, "10 years"),
)
_FIRST = (60, 3600, 86400, 7 * 86400)  # those that are named where there is not room for all
_LINE = 14  # pixels: the height of a name
_DAYS = (1, 2, 3, 7, 14, 21, 28)  # between names


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of an axis: where it is, in percent of it, and what it is called.

    ``spare``: there is no room for its name on a phone; ``None``: there is never any. ``anchor``: which end of the name
    is at its place.
    """

    at: float
    name: str
    spare: bool | None = False
    anchor: Anchor = "middle"

    def extent(self, width: float) -> tuple[float, float]:
        """From where to where its name goes on an axis of that many pixels."""
        wide = svg.width_of(self.name)
        left = self.at * width / 100 - {"start": 0, "middle": wide / 2, "end": wide}[self.anchor]
        return left, left + wide


@dataclass(frozen=True, slots=True)
class Times:
    """An axis of time spans, on which each multiple takes the same room: ``first`` and ``last`` in seconds."""

    first: float
    last: float

    @classmethod
    def over(cls, values: Iterable[float]) -> "Times":
        """From the mark below the least of these to the one above the greatest; a minute to an hour for none."""
        given = list(values) or [60, 3600]
        stops = [seconds for seconds, _ in _STOPS]
        first = max(bisect_right(stops, min(given)) - 1, 0)
        last = min(max(bisect_left(stops, max(given)), first + 1), len(stops) - 1)
        return cls(stops[min(first, last - 1)], stops[last])

    def at(self, seconds: float) -> float:
        """Where a span is, in percent; what is beyond an end is at that end."""
        within = min(max(seconds, self.first), self.last)
        return 100 * log(within / self.first) / log(self.last / self.first)

    def marks(self) -> list[Mark]:
        """Marks from left to right, each with a name where that has room."""
        order, named = self._named()
        shown: dict[int, Mark] = {}
        for width, spare in ((svg.NARROW, False), (svg.MEDIUM, True)):
            for number in order:
                tried = shown | {number: _inside(*named[number], svg.NARROW, spare)}
                if number not in shown and not _overlap([tried[each] for each in sorted(tried)], width):
                    shown = tried
        return [shown.get(number) or Mark(*named[number], None) for number in range(len(named))]

    def rungs(self, height: float) -> list[Mark]:
        """Marks from the bottom to the top of an axis of that many pixels, each with a name where that has room."""
        order, named = self._named()
        shown: set[int] = set()
        for number in order:
            if all(abs(named[number][0] - named[each][0]) * height / 100 >= _LINE for each in shown):
                shown.add(number)
        return [Mark(at, name, False if number in shown else None) for number, (at, name) in enumerate(named)]

    def _named(self) -> tuple[list[int], list[tuple[float, str]]]:
        """The stops within, with their places; before that, their numbers, those first that want a name most."""
        stops = [(seconds, name) for seconds, name in _STOPS if self.first <= seconds <= self.last]
        named = [(self.at(seconds), f"≤ {name}" if seconds == 1 else name) for seconds, name in stops]
        return sorted(range(len(stops)), key=lambda n: (stops[n][0] not in _FIRST, n)), named


@dataclass(frozen=True, slots=True)
class Counts:
    """An axis of counts, from zero to ``last``, with a mark at each ``step``."""

    last: int
    step: int

    @classmethod
    def over(cls, values: Iterable[int]) -> "Counts":
        """From zero to the mark above the greatest of these, with four marks above zero at most."""
        most = max(values, default=0)
        step = next(size * 10**power for power in count() for size in (1, 2, 5) if size * 10**power * 4 >= most)
        return cls(step * max(ceil(most / step), 1), step)

    def at(self, number: float) -> float:
        """Where a count is, in percent."""
        return 100 * number / self.last

    def marks(self) -> list[Mark]:
        """Marks from zero on."""
        return [Mark(self.at(number), labels.count(number)) for number in range(0, self.last + 1, self.step)]


@dataclass(frozen=True, slots=True)
class Slots:
    """An axis of so many things side by side, such as days."""

    many: int

    @property
    def width(self) -> float:
        """Of one of them, in percent."""
        return 100 / max(self.many, 1)

    def at(self, number: int) -> float:
        """The middle of one, in percent; they count from 0."""
        return self.width * (number + 0.5)

    def marks(self, names: Sequence[str], beside: float) -> list[Mark]:
        """Names of some of them, evenly apart, the last one among them; ``beside`` pixels of the plot are margins."""
        every = [Mark(self.at(number), name) for number, name in enumerate(names)]
        few = _closest(every, svg.NARROW - beside, _DAYS)
        more = _closest(every, svg.MEDIUM - beside, [apart for apart in _DAYS if few % apart == 0])
        shown = every[::-few]
        return [mark if mark in shown else replace(mark, spare=True) for mark in every[::-more][::-1]]


def _inside(at: float, name: str, width: float, spare: bool = False) -> Mark:
    """A mark whose name stays inside an axis of that many pixels, or more."""
    half = 50 * svg.width_of(name) / width  # in percent
    anchor: Anchor = "start" if at < half else "end" if at > 100 - half else "middle"
    return Mark(at, name, spare, anchor)


def _closest(marks: Sequence[Mark], width: float, steps: Sequence[int]) -> int:
    """How far apart those marks are, counted from the last, whose names all have room; the widest step if need be."""
    return next((step for step in steps if not _overlap(marks[::-step][::-1], width)), steps[-1])


def _overlap(marks: Sequence[Mark], width: float) -> bool:
    """Whether two names of neighbours would come too close to each other."""
    return any(one.extent(width)[1] + 6 > two.extent(width)[0] for one, two in pairwise(marks))
