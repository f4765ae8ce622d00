"""Plots as SVG text: lines over a scale, and bars. Readable on white and on black."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 190, 44, 52
_COLOURS = ("#3b82d6", "#d9632a", "#2f9e6e", "#b04fc4", "#b08a1e", "#d6456f", "#6b7fd7", "#4f9aa8", "#8a8a3c")

_STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #30363d }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #8b949e; stroke-opacity: .35 }
.axis { stroke: #8b949e }
.one { stroke: #8b949e; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } }
</style>"""


def lines(title: str, x: str, y: str, series: Mapping[str, Points], *, logarithmic: bool = False) -> str:
    """Lines with their points; both axes begin at zero, or the vertical one at a power of ten where it is logarithmic.

    ``x`` and ``y`` name what is on the axes, with its unit.
    """
    points = [point for line in series.values() for point in line]
    right = _above(max(at for at, _ in points))
    top, values = max(value for _, value in points), [value for _, value in points if value > 0]
    low = 10.0 ** floor(log10(min(values))) if logarithmic else 0.0
    high = 10.0 ** ceil(log10(top)) if logarithmic else _above(top)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def across(at: float) -> float:
        return _LEFT + width * at / right

    def down(value: float) -> float:
        share = log10(value / low) / log10(high / low) if logarithmic else value / high
        return _TOP + height * (1 - share)

    marks = [low * 10**n for n in range(round(log10(high / low)) + 1)] if logarithmic else _marks(high)
    drawn = [_text(_LEFT, 24, title, kind="title")]
    for mark in marks:
        drawn.append(_line(_LEFT, down(mark), _LEFT + width, down(mark), "grid"))
        drawn.append(_text(_LEFT - 8, down(mark) + 4, _number(mark), anchor="end"))
    for mark in _marks(right):
        drawn.append(_line(across(mark), _TOP + height, across(mark), _TOP + height + 5, "axis"))
        drawn.append(_text(across(mark), _TOP + height + 20, _number(mark), anchor="middle"))
    drawn.append(_line(_LEFT, _TOP + height, _LEFT + width, _TOP + height, "axis"))
    drawn.append(_text(_LEFT + width / 2, _HEIGHT - 10, x, anchor="middle"))
    middle = _TOP + height / 2
    drawn.append(
        f'<text x="16" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 16 {middle:.0f})">{escape(y)}</text>'
    )
    for place, (name, line) in enumerate(series.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in line)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [
            f'<circle cx="{across(at):.1f}" cy="{down(value):.1f}" r="3" fill="{colour}"/>'
            for at, value in line
            if len(line) <= 20
        ]
        row = _TOP + 8 + 20 * place
        drawn.append(f'<rect x="{_LEFT + width + 14}" y="{row - 9}" width="12" height="4" fill="{colour}"/>')
        drawn.append(_text(_LEFT + width + 32, row, name))
    return _svg(title, _HEIGHT, drawn)


def bars(title: str, x: str, groups: Mapping[str, Mapping[str, float]], *, one: float | None = None) -> str:
    """Horizontal bars in groups, each with its value; ``one`` is a value to compare with, drawn as a line."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    left, thick, gap = 250, 16, 12
    width = _WIDTH - left - 70
    count = sum(len(group) for group in groups.values())
    legend = 24 if len(names) > 1 else 0
    top = _TOP + legend
    height = top + count * thick + len(groups) * gap + 50
    high = _above(max([value for group in groups.values() for value in group.values()] + [one or 0]))
    drawn = [_text(16, 24, title, kind="title")]
    if legend:
        for place, name in enumerate(names):
            drawn.append(
                f'<rect x="{left + 150 * place}" y="{_TOP - 9}" width="12" height="12" fill="{_COLOURS[place]}"/>'
            )
            drawn.append(_text(left + 18 + 150 * place, _TOP + 2, name))
    bottom = height - 46
    for mark in _marks(high):
        at = left + width * mark / high
        drawn.append(_line(at, top, at, bottom, "grid"))
        drawn.append(_text(at, bottom + 16, _number(mark), anchor="middle"))
    row = float(top)
    for label, group in groups.items():
        drawn.append(_text(left - 10, row + len(group) * thick / 2 + 5, label, anchor="end"))
        for name, value in group.items():
            long = width * value / high
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            drawn.append(f'<rect x="{left}" y="{row:.1f}" width="{long:.1f}" height="{thick - 3}" fill="{colour}"/>')
            drawn.append(_text(left + long + 6, row + 11, _number(value)))
            row += thick
        row += gap
    if one is not None:
        at = left + width * one / high
        drawn.append(_line(at, top, at, bottom, "one"))
    drawn.append(_text(left + width / 2, height - 8, x, anchor="middle"))
    return _svg(title, height, drawn)


def _svg(title: str, height: float, drawn: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">',
            f"<title>{escape(title)}</title>",
            _STYLE,
            *drawn,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{shown}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _step(high: float) -> float:
    """A round distance between marks, of which there are about five."""
    unit = 10.0 ** floor(log10(high))
    return next(unit * share for share in (0.1, 0.2, 0.5, 1.0, 2.0) if high / (unit * share) <= 6)


def _above(value: float) -> float:
    """The first mark that is not below a value."""
    step = _step(value or 1.0)
    return step * ceil((value or 1.0) / step - 1e-9)


def _marks(high: float) -> list[float]:
    step = _step(high)
    return [step * n for n in range(round(high / step) + 1)]


def _number(value: float) -> str:
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}"
