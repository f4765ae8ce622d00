"""A run's life laid out as a picture: one lane in time, to scale as far as it stays readable. Pure.

A pause of days stands beside steps of milliseconds. So where what lasted long is of another order than the rest, it
has a scale of its own, and is marked as cut short; and what would be too thin to see has a width at least. All else is
to scale. Positions are per cent of the lane's width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

Kind = Literal["step", "pause"]

MOST = 60  # spans of one picture
_LEAST = 2.6  # of a span
_LEAST_LONG = 9.0  # of what is cut short
_LEAST_GAP = 0.4  # of the time between two spans
_ALL_LEAST = 0.7  # what the least widths may take together, of all
_JUMP = 15.0  # so many times as long is of another order
_APART = 3.0  # so many times as long is worth telling apart
_LABEL = 9.0  # two labels below the lane have so much between them
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time. ``ends`` is ``None`` while it goes on; ``number`` is that of its row in the table, of
    several steps that are drawn as one the first's, and ``count`` how many."""

    kind: Kind
    number: int
    label: str
    begins: datetime
    ends: datetime | None
    note: str = ""  # such as who decided
    tone: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one moment."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to draw. A run that goes on is drawn until ``until``, which is then now."""

    begins: datetime
    until: datetime
    ended: bool
    spans: Sequence[Span]
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A span in its place; ``row`` counts from 0, and has others where several went on at a time."""

    span: Span
    x: float
    width: float
    row: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tick:
    """So many seconds from the beginning; ``anchor`` is that of SVG texts."""

    x: float
    seconds: float
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A story laid out. ``breaks`` are where the lane is cut short; ``stretched``: something is wider than to scale."""

    spans: tuple[Placed, ...]
    marks: tuple[tuple[float, Mark], ...]
    ticks: tuple[Tick, ...]
    breaks: tuple[float, ...]
    rows: int
    stretched: bool
    ended: bool


def draw(story: Story) -> Picture:
    """Lay a story out."""
    spans = [_whole(span, story.until) for span in few(story.spans)]
    scale = _Scale(story, spans)
    placed = list(_pack(spans, scale))
    return Picture(
        spans=tuple(placed),
        marks=tuple((scale.x(mark.at), mark) for mark in story.marks),
        ticks=tuple(_ticks(spans, scale)),
        breaks=tuple(scale.breaks),
        rows=1 + max((each.row for each in placed), default=0),
        stretched=scale.stretched,
        ended=story.ended,
    )


def few(spans: Sequence[Span]) -> list[Span]:
    """At most about `MOST` spans: where there are more, steps that follow each other are drawn as one."""
    ordered = sorted(spans, key=lambda span: span.begins)
    together = -(-len(ordered) // MOST)
    if together == 1:
        return ordered
    drawn: list[Span] = []
    for span in ordered:
        last = drawn[-1] if drawn else None
        if last is not None and span.kind == last.kind == "step" and last.count < together:
            ends = max(last.ends or span.begins, span.ends or span.begins)
            drawn[-1] = replace(last, ends=ends, count=last.count + 1)
        else:
            drawn.append(span)
    return drawn


def _whole(span: Span, until: datetime) -> Span:
    """With an end, and one after its beginning."""
    return replace(span, ends=max(span.ends or until, span.begins + _INSTANT))


class _Scale:
    """From time to place. The lane is cut into pieces where anything begins or ends; within a piece it is to scale."""

    def __init__(self, story: Story, spans: Sequence[Span]) -> None:
        edges = {story.begins, max(story.until, story.begins + _INSTANT), *(mark.at for mark in story.marks)}
        edges |= {edge for span in spans for edge in (span.begins, _end(span))}
        self._edges = sorted(edges)
        pieces = [
            _Piece((end - begin).total_seconds(), any(_within(begin, end, span) for span in spans))
            for begin, end in pairwise(self._edges)
        ]
        widths, cut, self.stretched = _share(pieces)
        self._places = [sum(widths[:n]) for n in range(len(widths) + 1)]
        self.breaks = [self._places[n] + widths[n] * 0.9 for n in cut]
        self.begins, self.ends = self._edges[0], self._edges[-1]

    def x(self, at: datetime) -> float:
        for n, (begin, end) in enumerate(pairwise(self._edges)):
            if at <= end:
                part = (at - begin) / (end - begin)
                return round(self._places[n] + max(0.0, part) * (self._places[n + 1] - self._places[n]), 3)
        return 100.0


@dataclass(frozen=True, slots=True)
class _Piece:
    seconds: float
    covered: bool  # by a span


def _share(pieces: Sequence[_Piece]) -> tuple[list[float], list[int], bool]:
    """Widths out of 100; which pieces are cut short, and whether any is wider than to scale."""
    limit = _of_another_order(pieces)
    long = [n for n, piece in enumerate(pieces) if piece.seconds > limit]
    rest = [n for n, piece in enumerate(pieces) if piece.seconds <= limit]
    given = min(75.0, 40.0 + 5.0 * len(long)) if long else 0.0
    widths = [0.0] * len(pieces)
    stretched = False
    for group, least, whole in ((long, _LEAST_LONG, given), (rest, _LEAST, 100.0 - given)):
        leasts = [least if pieces[n].covered else _LEAST_GAP for n in group]
        found, wider = _fit([pieces[n].seconds for n in group], leasts, whole)
        stretched = stretched or wider
        for n, width in zip(group, found, strict=True):
            widths[n] = width
    return widths, long, stretched


def _of_another_order(pieces: Sequence[_Piece]) -> float:
    """Seconds from which on a piece has another scale; endless where all have one, as they can be told apart so."""
    lengths = sorted({piece.seconds for piece in pieces}, reverse=True)
    limit, jump = float("inf"), _JUMP
    for longer, shorter in pairwise(lengths):
        below = [piece.seconds for piece in pieces if piece.covered and piece.seconds <= shorter]
        if len(below) > 1 and max(below) > _APART * min(below) and longer > jump * shorter:
            limit, jump = shorter, longer / shorter
    return limit


def _fit(seconds: Sequence[float], least: Sequence[float], whole: float) -> tuple[list[float], bool]:
    """Widths that are ``whole`` together, to scale but for the least; and whether any is at the least."""
    if not seconds:
        return [], False
    shrunk = min(1.0, _ALL_LEAST * whole / sum(least))
    leasts = [each * shrunk for each in least]
    low, high = 0.0, whole / min(seconds)
    for _ in range(100):
        scale = (low + high) / 2
        wide = sum(max(each * scale, width) for each, width in zip(seconds, leasts, strict=True)) > whole
        low, high = (low, scale) if wide else (scale, high)
    found = [max(each * low, width) for each, width in zip(seconds, leasts, strict=True)]
    return found, any(each * low < width * 0.99 for each, width in zip(seconds, found, strict=True))


def _pack(spans: Iterable[Span], scale: _Scale) -> Iterable[Placed]:
    """Each in the first row that is free, so that what went on at a time stands below each other."""
    free: list[datetime] = []
    for span in spans:
        row = next((n for n, end in enumerate(free) if end <= span.begins), len(free))
        free[row : row + 1] = [_end(span)]
        x = scale.x(span.begins)
        width = round(scale.x(_end(span)) - x, 3)
        yield Placed(span, x, width, row, (_end(span) - span.begins).total_seconds())


def _ticks(spans: Sequence[Span], scale: _Scale) -> Iterable[Tick]:
    """The beginning, the end, and between them as many edges as there is room for: first those of pauses."""
    pauses = [edge for span in spans if span.kind == "pause" for edge in (_end(span), span.begins)]
    wanted = [*pauses, *(span.begins for span in spans if span.kind == "step")]
    taken = {0.0: scale.begins, 100.0: scale.ends}
    for at in wanted:
        x = scale.x(at)
        if all(abs(x - other) >= _LABEL for other in taken):
            taken[x] = at
    for x in sorted(taken):
        anchor: Literal["start", "middle", "end"] = "start" if x == 0 else "end" if x == 100 else "middle"
        yield Tick(x, (taken[x] - scale.begins).total_seconds(), anchor)


def _within(begin: datetime, end: datetime, span: Span) -> bool:
    return span.begins <= begin and end <= _end(span)


def _end(span: Span) -> datetime:
    assert span.ends is not None
    return span.ends
