"""Values as they are spoken of on a form."""

import json
from typing import Any


def quoted(value: Any) -> str:
    """A value in a sentence, shortened."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"“{text[:40]}{'…' if len(text) > 40 else ''}”"


def plain(number: Any) -> str:
    """A number as people write it: without a fraction where it has none."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def count(number: int, one: str, many: str | None = None) -> str:
    """So many of them."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def option(value: Any) -> str:
    """A choice as its form sends it."""
    return json.dumps(value)


def label(value: Any) -> str:
    """A choice as people read it."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return value if isinstance(value, str) else json.dumps(value)
