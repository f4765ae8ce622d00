"""Icons of Lucide (ISC), put into pages as they are, as a page asks no other address for anything."""

import re
from functools import cache
from importlib.resources import files

from markupsafe import Markup

_DRAWING = re.compile(r"<svg\b[^>]*>(.*)</svg>", re.DOTALL)


@cache
def icon(name: str, size: int = 16) -> Markup:
    """An icon, for eyes alone: a text beside it says the same.

    Raises:
        FileNotFoundError: there is none of that name in the folder ``icons``.
    """
    svg = (files("placet_approval.inbox") / "icons" / f"{name}.svg").read_text()
    found = _DRAWING.search(svg)
    assert found is not None
    drawing = Markup(" ".join(found[1].split()))  # noqa: S704 -- a file of ours
    return Markup(
        '<svg class="icon" width="{0}" height="{0}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
        "{1}</svg>"
    ).format(size, drawing)
