"""From a form as it was posted to its JSON value, and what is wrong with it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from placet_approval import strict_json
from placet_approval.inbox.forms import schemas
from placet_approval.inbox.forms.fields import MISSING, ROOT, Field, Kind
from placet_approval.inbox.forms.words import option, quoted
from placet_contracts.events import shallow

NEEDED = "Fill this in."
YES = "yes"  # what a box sends that is ticked


@dataclass(frozen=True, slots=True)
class Reading:
    """A form's value, as far as it could be read, and what is wrong, by the names of its inputs."""

    value: Any
    errors: Mapping[str, str] = field(default_factory=dict)


def read(form: Field, posted: Mapping[str, str]) -> Reading:
    """The value that was posted. Inputs that the form does not have are refused; those of other things are not looked
    at."""
    reader = _Reader(posted)
    value = reader.read(form)
    known = {inner.name for inner in form.walk() if inner.has_input}
    if any(name not in known for name in posted if name == ROOT or name.startswith(f"{ROOT}/")):
        reader.errors.setdefault(form.name, "This form has changed since it was opened: look at it again.")
    return Reading(None if value is MISSING else value, reader.errors)


class _Reader:
    def __init__(self, posted: Mapping[str, str]) -> None:
        self._posted = posted
        self.errors: dict[str, str] = {}

    def read(self, field: Field) -> Any:
        """Its value; `MISSING` where it is left out, or is wrong and noted as such."""
        try:
            return self._value(field)
        except ValueError as error:
            self.errors[field.name] = str(error)
            return MISSING

    def _value(self, field: Field) -> Any:
        text = self._posted.get(field.name, "").replace("\r\n", "\n")
        match field.kind:
            case "fixed":
                return field.choices[0]
            case "check":
                return _ticked(text)
            case "group":
                return self._group(field, text)
        if not text.strip() and not (field.kind == "text" and text):
            return _empty(field)
        match field.kind:
            case "lines":
                assert field.item is not None
                lines = [line.strip() for line in text.split("\n")]
                value: Any = [_plain(field.item, line, field.schema.get("items", {})) for line in lines if line]
            case "choice":
                value = _choice(field, text)
            case "json":
                value = _json(text)
            case kind:
                value = _plain(kind, text, field.schema)
        return value

    def _group(self, field: Field, text: str) -> Any:
        if field.optional and not _ticked(text):
            return _empty(field)
        value = {inner.key: self.read(inner) for inner in field.fields}
        return {key: found for key, found in value.items() if found is not MISSING}


def _empty(field: Field) -> Any:
    """What it means to leave a field empty.

    Raises:
        ValueError: it must be filled in.
    """
    if field.nullable and (field.required or field.default not in (None, MISSING)):
        return None
    if field.kind == "lines" and (field.required or field.default not in (None, MISSING)):
        return []
    if field.required:
        raise ValueError(NEEDED)
    if field.kind == "text" and isinstance(field.default, str):
        return ""  # it was emptied
    return MISSING


def _ticked(text: str) -> bool:
    if text not in ("", YES):
        raise ValueError("Tick it or leave it.")
    return text == YES


def _choice(field: Field, text: str) -> Any:
    chosen = [choice for choice in field.choices if option(choice) == text]
    if not chosen:
        raise ValueError("Choose one of these.")
    return chosen[0]


def _json(text: str) -> Any:
    try:
        return shallow(strict_json.loads(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"This is not JSON, from line {error.lineno}, column {error.colno} on: {error.msg}.") from None
    except RecursionError:
        raise ValueError("This is nested too deeply.") from None
    except ValueError as error:
        raise ValueError(f"This JSON cannot be taken: {error}.") from None


def _plain(kind: Kind, text: str, schema: Any) -> Any:
    match kind:
        case "integer":
            if _INTEGER.fullmatch(text.strip()) is None:
                raise ValueError(f"{quoted(text.strip())} is not a whole number.")
            return int(text)
        case "number":
            return _number(text.strip(), exact=schemas.is_decimal(schema))
        case "date":
            return _date(text.strip())
        case "moment":
            return _moment(text.strip())
        case _:
            return text


def _number(text: str, *, exact: bool) -> int | float | str:
    """As a number; where text fits too, and a number would not be exact, as text."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{quoted(text.strip())} is not a number.")
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text)
    if exact and Decimal(repr(number)) != Decimal(text):
        return text
    if number in (float("inf"), float("-inf")):
        raise ValueError("That is too large a number.")
    return number


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{quoted(text.strip())} is not a date, such as 2026-11-24.") from None


def _moment(text: str) -> str:
    """In UTC, where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{quoted(text.strip())} is not a date and time, such as 2026-11-24T17:30.") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.isoformat().replace("+00:00", "Z")


_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]{0,300})?|\.[0-9]{1,300})([eE][+-]?[0-9]{1,4})?")
