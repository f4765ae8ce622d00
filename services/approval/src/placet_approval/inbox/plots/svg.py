"""Drawing, as SVG that is put into a page: escaped, without styles, in classes that the style sheet knows.

A place is percent of the width across, so that a plot is as wide as there is room for it and its text keeps its size,
and pixels down. What stands left of 0 is drawn in the margin that the style sheet leaves for an axis.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

NARROW = 280  # pixels: the narrowest plot, on a phone; text fits there
MEDIUM = 480  # from here on the style sheet shows what is marked `spare`
_LETTER = 6.2  # pixels: the mean width of a letter of the style sheet's size for plots, rounded up

Place = tuple[float, float]  # percent across, pixels down


def plot(name: str, *, height: float, title: str, text: str, kind: str = "") -> Element:
    """An image of its own: ``name`` is unique in its page, ``text`` says what there is to see."""
    root = Element("svg", {"class": f"chart {kind}".strip(), "height": _number(height), "width": "100%"})
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-text")
    SubElement(root, "title", {"id": f"{name}-title"}).text = title
    SubElement(root, "desc", {"id": f"{name}-text"}).text = text
    return root


def group(parent: Element, kind: str, hint: str | None = None) -> Element:
    """Things that belong together; ``hint`` shows where a pointer rests on them."""
    made = SubElement(parent, "g", {"class": kind})
    if hint is not None:
        SubElement(made, "title").text = hint
    return made


def text(parent: Element, kind: str, words: str, at: Place, *, anchor: str = "start", dx: float = 0) -> None:
    """Words from, around or up to a place, ``dx`` pixels beside it."""
    made = SubElement(parent, "text", {"class": kind, "x": percent(at[0]), "y": _number(at[1])})
    if dx:
        made.set("dx", _number(dx))
    if anchor != "start":
        made.set("text-anchor", anchor)
    made.text = words


def line(parent: Element, kind: str, start: Place, end: Place) -> None:
    """A straight line."""
    ends = {"x1": percent(start[0]), "y1": _number(start[1]), "x2": percent(end[0]), "y2": _number(end[1])}
    SubElement(parent, "line", {"class": kind, **ends})


def rect(parent: Element, kind: str, corner: Place, size: Place, *, radius: float = 0) -> Element:
    """A rectangle from its upper left corner; its fill may be changed to a pattern."""
    made = SubElement(parent, "rect", {"class": kind, "x": percent(corner[0]), "y": _number(corner[1])})
    made.set("width", percent(size[0]))
    made.set("height", _number(size[1]))
    if radius:
        made.set("rx", _number(radius))
    return made


def circle(parent: Element, kind: str, at: Place, radius: float) -> None:
    """A dot."""
    SubElement(parent, "circle", {"class": kind, "cx": percent(at[0]), "cy": _number(at[1]), "r": _number(radius)})


def stretched(parent: Element, height: float) -> Element:
    """A part whose places across count from 0 to 100 without being percentages, as paths want them."""
    return SubElement(
        parent,
        "svg",
        {
            "class": "stretched",
            "width": "100%",
            "height": _number(height),
            "viewBox": f"0 0 100 {_number(height)}",
            "preserveAspectRatio": "none",
        },
    )


def path(parent: Element, kind: str, points: Sequence[Place]) -> None:
    """A line through points of a stretched part, as thick as it would be if that were not stretched."""
    tag = "polygon" if kind == "band" else "polyline"
    places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    SubElement(parent, tag, {"class": kind, "points": places, "vector-effect": "non-scaling-stroke"})


def sample(kind: str) -> Markup:
    """A little piece of what plots draw, for a legend."""
    root = Element("svg", {"class": "swatch", "width": "14", "height": "14", "aria-hidden": "true"})
    if kind in ("half", "most"):
        SubElement(root, "circle", {"class": kind, "cx": "7", "cy": "7", "r": "4.5"})
    else:
        SubElement(root, "rect", {"class": kind, "y": "3", "width": "14", "height": "8", "rx": "2"})
    return markup(root)


def markup(root: Element) -> Markup:
    """The image as it is put into a page."""
    return Markup(tostring(root, encoding="unicode"))  # noqa: S704  escaped where it is written


def percent(x: float) -> str:
    return f"{_number(x)}%"


def tick(spare: bool | None) -> str:
    """The class of a mark's name."""
    return "tick spare" if spare else "tick"


def name(parent: Element, words: str, at: Place, beside: float) -> None:
    """What a row is about, in as many letters as have room with ``beside`` pixels taken, on a phone and elsewhere."""
    brief, full = (_shortened(words, width - beside) for width in (NARROW, MEDIUM))
    text(parent, "name" if brief == full else "name brief", brief, at)
    if brief != full:
        text(parent, "name spare", full, at)


def width_of(words: str) -> float:
    """How wide words are at most, about, in pixels."""
    return _LETTER * len(words)


def _shortened(words: str, width: float) -> str:
    """Words, or so many of their letters as have room in that many pixels."""
    fit = int(width / _LETTER)
    return words if len(words) <= fit else f"{words[: fit - 1]}…"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"
