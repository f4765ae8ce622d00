"""From a JSON value to what stands in its form."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unicodedata import category

from placet_approval.inbox.forms import reading, words
from placet_approval.inbox.forms.fields import MISSING, Field
from placet_contracts.digest import canonical


def fill(form: Field, value: Any = MISSING) -> dict[str, str]:
    """What stands in the inputs, by name; with `MISSING`, the defaults. A box that is not ticked is not there."""
    return dict(_fill(form, value))


def holds(form: Field, value: Any) -> bool:
    """Whether the form can show this value whole: read back, it is the same but for defaults that it left out."""
    try:
        back = reading.read(form, {name: _sent(text) for name, text in fill(form, value).items()})
        return not back.errors and canonical(_complete(form, back.value)) == canonical(_complete(form, value))
    except (ValueError, TypeError, RecursionError):
        return False


def _fill(field: Field, value: Any) -> Iterator[tuple[str, str]]:
    given = field.default if value is MISSING else value
    if field.kind == "group":
        there = isinstance(given, dict)
        if there and field.optional:
            yield field.name, reading.YES
        for inner in field.fields:
            yield from _fill(inner, given.get(inner.key, MISSING) if there else MISSING)
    elif field.kind == "check":
        if given is True:
            yield field.name, reading.YES
    elif field.kind != "fixed":
        yield field.name, _text(field, given)


def _text(field: Field, value: Any) -> str:
    if value is MISSING or (value is None and field.nullable):
        return ""
    match field.kind:
        case "choice":
            return words.option(value)
        case "lines" if isinstance(value, list):
            return "\n".join(_plain(item) for item in value)
        case "moment" if isinstance(value, str):
            return _moment(value)
        case "json":
            return json.dumps(value, indent=2, ensure_ascii=False)
        case _:
            return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _moment(text: str) -> str:
    """As browsers take it: without a zone, as the form says that it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() if at.tzinfo is not None else text


def _sent(text: str) -> str:
    """As it comes back from a browser, in which every end of a line is the same.

    Raises:
        ValueError: it has what a page cannot hold.
    """
    if any(category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text):
        raise ValueError("not for a page")
    return text.replace("\n", "\r\n")


def _complete(field: Field, value: Any) -> Any:
    """The value with the defaults that it left out, which mean the same."""
    if field.kind != "group" or not isinstance(value, dict):
        return value
    complete = dict(value)
    for inner in field.fields:
        if (found := value.get(inner.key, inner.default)) is not MISSING:
            complete[inner.key] = _complete(inner, found)
    return complete
