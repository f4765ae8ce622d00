"""Icons that pages name are there, and no others."""

import re
from importlib.resources import files
from pathlib import Path

from placet_approval.inbox.icons import icon

INBOX = Path(str(files("placet_approval.inbox")))
KEPT = {path.stem for path in (INBOX / "icons").glob("*.svg")}


def test_every_icon_that_is_kept_is_named_somewhere() -> None:
    """What no page shows is not carried along."""
    pages = "\n".join(path.read_text() for path in [*INBOX.rglob("*.html"), *INBOX.rglob("*.py")])
    named = set(re.findall(r"\"([a-z0-9-]+)\"", pages))

    assert KEPT - named == set()


def test_an_icon_is_a_drawing_and_nothing_else() -> None:
    """It cannot act, fetch, or be read out."""
    for name in KEPT:
        drawn = icon(name)
        assert drawn.startswith('<svg class="icon"')
        assert 'aria-hidden="true"' in drawn
        assert not re.search(r"script|style=|href|on[a-z]+=", drawn)
