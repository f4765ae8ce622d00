"""Counts of each day, one kind on top of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from markupsafe import Markup

from placet_approval.inbox.plots import labels, svg
from placet_approval.inbox.plots.scales import Counts, Slots

_TOP = 10
_HEIGHT = 170
_AXIS = 24
_BESIDE = 48  # the margins of the style sheet
# Lines of a pattern of 6 x 6 pixels, so that kinds differ in more than their colour.
_PATTERNS = {
    "rejected": "M-1,7 L7,-1 M-1,1 L1,-1 M5,7 L7,5",
    "expired": "M0,3 H6",
    "cancelled": "M3,0 V6",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A day: its name, and how many of each kind, in the order in which they are stacked."""

    name: str
    counts: Sequence[int]


def plot(name: str, kinds: Sequence[str], columns: Sequence[Column], *, title: str) -> Markup:
    """Columns to scale above an axis of days; ``kinds`` are classes of the style sheet."""
    scale, slots = Counts.over(sum(column.counts) for column in columns), Slots(len(columns))
    root = svg.plot(name, height=_TOP + _HEIGHT + _AXIS, title=title, text=_text(kinds, columns), kind="with-counts")
    _define(root, name, kinds)
    bottom = _TOP + _HEIGHT
    for mark in scale.marks():
        y = bottom - _HEIGHT * mark.at / 100
        svg.line(root, "grid" if mark.at else "base", (0, y), (100, y))
        svg.text(root, "tick", mark.name, (0, y + 4), anchor="end", dx=-8)
    width = slots.width * (0.45 if len(columns) <= 7 else 0.72)
    for number, column in enumerate(columns):
        left = slots.at(number) - width / 2
        made = svg.group(root, "column", f"{column.name}: {_counts(kinds, column)}")
        under = 0
        for kind, count in zip(kinds, column.counts, strict=True):
            if count:
                y, height = bottom - _HEIGHT * scale.at(under + count) / 100, _HEIGHT * scale.at(count) / 100
                svg.rect(made, f"fill {kind}", (left, y), (width, height))
                if kind in _PATTERNS:
                    svg.rect(made, "hatched", (left, y), (width, height)).set("fill", f"url(#{name}-{kind})")
            under += count
    for mark in slots.marks([column.name for column in columns], _BESIDE):
        svg.text(root, svg.tick(mark.spare), mark.name, (mark.at, bottom + 18), anchor=mark.anchor)
    return svg.markup(root)


def swatch(name: str, kind: str) -> Markup:
    """A little piece of a kind, for a legend."""
    root = Element("svg", {"class": "swatch", "width": "14", "height": "14", "aria-hidden": "true"})
    _define(root, f"{name}-swatch", [kind])
    SubElement(root, "rect", {"class": f"fill {kind}", "width": "14", "height": "14", "rx": "3"})
    if kind in _PATTERNS:
        over = SubElement(root, "rect", {"class": "hatched", "width": "14", "height": "14", "rx": "3"})
        over.set("fill", f"url(#{name}-swatch-{kind})")
    return svg.markup(root)


def _define(root: Element, name: str, kinds: Sequence[str]) -> None:
    definitions = SubElement(root, "defs")
    for kind in kinds:
        if kind in _PATTERNS:
            size = {"width": "6", "height": "6", "patternUnits": "userSpaceOnUse"}
            pattern = SubElement(definitions, "pattern", {"id": f"{name}-{kind}", **size})
            SubElement(pattern, "path", {"class": "hatch", "d": _PATTERNS[kind]})


def _counts(kinds: Sequence[str], column: Column) -> str:
    return ", ".join(f"{labels.count(many)} {kind}" for kind, many in zip(kinds, column.counts, strict=True))


def _text(kinds: Sequence[str], columns: Sequence[Column]) -> str:
    if not columns:
        return "There is nothing."
    total = Column("", [sum(column.counts[n] for column in columns) for n in range(len(kinds))])
    return f"{columns[0].name} to {columns[-1].name}: {_counts(kinds, total)}. Each day is in the table below."
