"""Counts as bars, one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from placet_approval.inbox.plots import labels, svg

_ROW = 38
_BAR = 22  # from a row's top to its bar
_THICK = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """A count; of it, ``part`` is drawn in another way, where that is given."""

    name: str
    count: int
    part: int | None = None
    value: str = ""  # what stands at its right; the count, where it is empty
    kind: str = ""  # how it is drawn: a class of the style sheet


def plot(name: str, bars: Sequence[Bar], *, title: str, most: int | None = None) -> Markup:
    """Bars to scale, each with its name and its count above it; ``most`` is a full one, else the greatest of them."""
    full = most or max((bar.count for bar in bars), default=0) or 1
    root = svg.plot(name, height=_ROW * len(bars), title=title, text=_text(bars))
    for number, bar in enumerate(bars):
        top = number * _ROW
        value = bar.value or labels.count(bar.count)
        row = svg.group(root, f"row {bar.kind}".strip(), f"{bar.name}: {value}")
        svg.name(row, bar.name, (0, top + 14), svg.width_of(value) + 12)
        svg.text(row, "value", value, (100, top + 14), anchor="end")
        svg.rect(row, "track", (0, top + _BAR), (100, _THICK), radius=2)
        svg.rect(row, "bar", (0, top + _BAR), (100 * bar.count / full, _THICK), radius=2)
        if bar.part:
            svg.rect(row, "part", (0, top + _BAR), (100 * bar.part / full, _THICK), radius=2)
    return svg.markup(root)


def _text(bars: Sequence[Bar]) -> str:
    return "; ".join(f"{bar.name}: {bar.value or labels.count(bar.count)}" for bar in bars) or "There is nothing."
