"""A form as a page shows it: with what was typed, what is wrong, and what fits in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from placet_approval.inbox.forms import schemas, words
from placet_approval.inbox.forms.fields import MISSING, Field, Kind
from placet_approval.inbox.forms.reading import YES

Widget = Literal["input", "textarea", "select", "checkbox", "group", "fixed"]

_WITH_DEFAULT = ("integer", "number", "date", "moment")  # whose default is taken when they are empty
_LONG = 200  # characters that no longer fit into one line


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as a page shows it. ``attributes`` are those of its element; ``options`` are (value, label) pairs."""

    name: str
    widget: Widget
    label: str
    help: str | None
    hint: str | None
    error: str | None
    text: str
    required: bool
    box: bool  # of a group: whether it has one, to have it at all
    attributes: Mapping[str, str]
    options: tuple[tuple[str, str], ...]
    fields: tuple["Shown", ...]

    @property
    def ticked(self) -> bool:
        return self.text == YES


def show(field: Field, typed: Mapping[str, str], errors: Mapping[str, str]) -> Shown:
    """A field and all within it, with what stands in the inputs and what is wrong, by their names."""
    text = typed.get(field.name, "")
    widget = _widget(field, text)
    return Shown(
        name=field.name,
        widget=widget,
        label=field.label,
        help=field.help,
        hint=_hint(field),
        error=errors.get(field.name),
        text=words.label(field.choices[0]) if widget == "fixed" else text,
        required=not field.optional and widget not in ("checkbox", "fixed", "group") and field.kind != "lines",
        box=field.has_input,
        attributes=_attributes(field, widget) if widget in ("input", "textarea") else {},
        options=tuple(_options(field)) if widget == "select" else (),
        fields=tuple(show(inner, typed, errors) for inner in field.fields),
    )


def _widget(field: Field, text: str) -> Widget:
    match field.kind:
        case "group" | "fixed":
            return field.kind
        case "check":
            return "checkbox"
        case "choice":
            return "select"
        case "json" | "lines":
            return "textarea"
        case "text" if "\n" in text or len(text) > _LONG or _limit(field, "maxLength", 0) > _LONG:
            return "input" if _format(field) else "textarea"
        case _:
            return "input"


def _attributes(field: Field, widget: Widget) -> Mapping[str, str]:
    if field.kind == "json":
        return {"rows": "3" if field.key else "8", "spellcheck": "false", "class": "mono"}
    if widget == "textarea":
        return {"rows": "4" if field.kind == "text" else "3"}
    types = {"email": "email", "uri": "url", "password": "password"}
    return _OF_KIND.get(field.kind) or {"type": types.get(_format(field), "text")}


_OF_KIND: Mapping[Kind, Mapping[str, str]] = {
    "integer": {"type": "text", "inputmode": "numeric"},
    "number": {"type": "text", "inputmode": "decimal"},
    "date": {"type": "date"},
    "moment": {"type": "datetime-local", "step": "1"},
}


def _options(field: Field) -> list[tuple[str, str]]:
    options = [(words.option(choice), words.label(choice)) for choice in field.choices]
    if field.required and not field.nullable:
        return [("", "Choose…"), *options]
    settled = field.default not in (MISSING, None) and not field.nullable
    return options if settled else [("", "None"), *options]


def _hint(field: Field) -> str | None:
    """What fits, in words; ``None`` where the field itself tells."""
    parts: list[str] = []
    match field.kind:
        case "lines":
            parts = ["One per line.", *_entries(field)]
        case "json":
            parts = ["As JSON."]
        case "moment":
            parts = ["In UTC."]
        case "integer" | "number":
            parts = _range(field.schema["anyOf"][0] if schemas.is_decimal(field.schema) else field.schema)
        case "text":
            parts = _length(field)
    comes_back = field.kind in _WITH_DEFAULT and not field.required and not field.nullable
    if comes_back and field.default not in (MISSING, None):
        parts.append(f"Left empty: {words.label(field.default)}.")
    return " ".join(parts) or None


def _range(schema: Mapping[str, Any]) -> list[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    parts = []
    if low is not None and high is not None:
        return [f"{words.plain(low)} to {words.plain(high)}."]
    if low is not None or above is not None:
        parts.append(f"At least {words.plain(low)}." if low is not None else f"More than {words.plain(above)}.")
    if high is not None or below is not None:
        parts.append(f"At most {words.plain(high)}." if high is not None else f"Less than {words.plain(below)}.")
    return parts


def _length(field: Field) -> list[str]:
    most = _limit(field, "maxLength", 0)
    named = {"uuid": "A UUID.", "duration": "As in ISO 8601: PT90M is an hour and a half.", "time": "A time of day."}
    if (known := named.get(_format(field))) is not None:
        return [known]
    pattern = field.schema.get("pattern")
    parts = [f"At most {words.count(most, 'character')}."] if 0 < most <= 1000 else []
    return [f"Matches {pattern}", *parts][:1] if isinstance(pattern, str) else parts


def _entries(field: Field) -> list[str]:
    low, high = _limit(field, "minItems", 0), _limit(field, "maxItems", 0)
    items = field.schema.get("items")
    choices = items.get("enum") if isinstance(items, dict) else None
    parts = [f"Out of {', '.join(map(words.label, choices[:20]))}."] if isinstance(choices, list) else []
    if low:
        parts.append(f"At least {low}.")
    return [*parts, f"At most {high}."] if high else parts


def _format(field: Field) -> str:
    return schemas.text(field.schema, "format") or ""


def _limit(field: Field, word: str, otherwise: int) -> int:
    limit = field.schema.get(word)
    return limit if isinstance(limit, int) else otherwise
