"""Spans of time, one below the other: from where half of something is within to where 95 % of it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from placet_approval.inbox.plots import labels, svg
from placet_approval.inbox.plots.scales import Times

_ROW = 44
_BAR = 28  # from a row's top to its bar
_AXIS = 22


@dataclass(frozen=True, slots=True)
class Span:
    """Half of something within ``half`` seconds, 95 % within ``most``."""

    name: str
    half: float
    most: float
    hint: str = ""  # more about it, for pointers


def plot(name: str, spans: Sequence[Span], *, title: str) -> Markup:
    """Spans to scale on one axis of time, each with its name and its ends in words above it."""
    scale = Times.over(value for span in spans for value in (span.half, span.most))
    bottom = _ROW * len(spans)
    root = svg.plot(name, height=bottom + _AXIS, title=title, text=_text(spans))
    for mark in scale.marks():
        svg.line(root, "grid", (mark.at, 0), (mark.at, bottom + 4))
        if mark.spare is not None:
            svg.text(root, svg.tick(mark.spare), mark.name, (mark.at, bottom + 18), anchor=mark.anchor)
    for number, span in enumerate(spans):
        top = number * _ROW
        values = _ends(span)
        row = svg.group(root, "row", f"{span.name}: {values}{f', {span.hint}' if span.hint else ''}")
        svg.name(row, span.name, (0, top + 16), svg.width_of(values) + 12)
        svg.text(row, "value", values, (100, top + 16), anchor="end")
        y = top + _BAR
        svg.line(row, "track", (0, y), (100, y))
        left, right = scale.at(span.half), scale.at(span.most)
        svg.line(row, "span", (left, y), (right, y))
        svg.circle(row, "most", (right, y), 4.5)
        svg.circle(row, "half", (left, y), 4.5)
    return svg.markup(root)


def _ends(span: Span) -> str:
    half, most = labels.duration(span.half), labels.duration(span.most)
    return half if half == most else f"{half} – {most}"  # noqa: RUF001  a dash, as is shown


def _text(spans: Sequence[Span]) -> str:
    if not spans:
        return "Nothing was decided."
    return "; ".join(
        f"{span.name}: half within {labels.duration(span.half)}, 95 % within {labels.duration(span.most)}"
        for span in spans
    )
