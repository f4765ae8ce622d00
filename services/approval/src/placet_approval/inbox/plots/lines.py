"""Times over days: a line up to which half of something is, and one up to which 95 % of it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from placet_approval.inbox.plots import labels, svg
from placet_approval.inbox.plots.scales import Slots, Times

_TOP = 16
_HEIGHT = 164
_AXIS = 24
_BESIDE = 84  # the margins of the style sheet
_NAMES_APART = 14


@dataclass(frozen=True, slots=True)
class Point:
    """A day, and within how many seconds half and 95 % were decided; ``None``: nothing was."""

    name: str
    times: tuple[float, float] | None


def plot(name: str, points: Sequence[Point], *, title: str) -> Markup:
    """Two lines to scale above an axis of days, each with its name at its end; days without a value part them."""
    known = [point.times for point in points if point.times is not None]
    scale, slots = Times.over(value for times in known for value in times), Slots(len(points))
    bottom = _TOP + _HEIGHT
    root = svg.plot(name, height=bottom + _AXIS, title=title, text=_text(points), kind="with-times")
    for mark in scale.rungs(_HEIGHT):
        y = bottom - _HEIGHT * mark.at / 100
        svg.line(root, "grid", (0, y), (100, y))
        if mark.spare is not None:
            svg.text(root, "tick", mark.name, (0, y + 4), anchor="end", dx=-8)

    def at(number: int, seconds: float) -> tuple[float, float]:
        return slots.at(number), bottom - _HEIGHT * scale.at(seconds) / 100

    drawn = svg.stretched(root, bottom)
    for run in _runs(points):
        halves, mosts = [at(n, half) for n, (half, _) in run], [at(n, most) for n, (_, most) in run]
        if len(run) > 1:
            svg.path(drawn, "band", halves + mosts[::-1])
            svg.path(drawn, "most", mosts)
            svg.path(drawn, "half", halves)
    dots = len(points) <= 31
    for run in _runs(points):
        for number, (half, most) in run:
            place = svg.group(root, "point", f"{points[number].name}: {_times((half, most))}")
            kind = "" if dots or len(run) == 1 else " quiet"
            svg.circle(place, f"most{kind}", at(number, most), 3)
            svg.circle(place, f"half{kind}", at(number, half), 3)
    if known:
        half, most = (at(0, seconds)[1] for seconds in known[-1])
        apart = max(_NAMES_APART - (half - most), 0) / 2
        svg.text(root, "end-name", "95 %", (100, most - apart + 4), dx=8)
        svg.text(root, "end-name strong", "half", (100, half + apart + 4), dx=8)
    for day in slots.marks([point.name for point in points], _BESIDE):
        svg.text(root, svg.tick(day.spare), day.name, (day.at, bottom + 18), anchor=day.anchor)
    return svg.markup(root)


def _runs(points: Sequence[Point]) -> list[list[tuple[int, tuple[float, float]]]]:
    """Days with values that follow each other, by number."""
    parts = groupby(enumerate(points), key=lambda each: each[1].times is not None)
    return [[(number, point.times) for number, point in part if point.times] for known, part in parts if known]


def _times(times: tuple[float, float]) -> str:
    half, most = map(labels.duration, times)
    return f"half within {half}, 95 % within {most}"


def _text(points: Sequence[Point]) -> str:
    known = [(point.name, point.times) for point in points if point.times is not None]
    if not known:
        return "Nothing was decided."
    ends = " to ".join(point.name for point in (points[0], points[-1]))
    return f"{ends}, {known[-1][0]}: {_times(known[-1][1])}. Each day is in the table below."
