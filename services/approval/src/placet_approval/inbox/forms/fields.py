"""What a form asks for a JSON value, made of the value's JSON Schema as pydantic writes it.

A field is read and filled by its kind; what has no kind of its own is asked for as JSON. A form has at most
`MAX_FIELDS` fields, objects in it at most `MAX_NESTING` levels: what would have more is asked for as JSON too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Literal

from placet_approval.inbox import words
from placet_approval.inbox.forms import schemas
from placet_approval.inbox.forms.schemas import Schema

Kind = Literal["text", "date", "moment", "integer", "number", "check", "choice", "fixed", "lines", "json", "group"]

ROOT = "input"
MAX_FIELDS = 100
MAX_NESTING = 5
MAX_CHOICES = 300


class Missing(Enum):
    """The place of a value that is not there, as ``None`` is one."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Field:
    """A value that is asked for.

    ``name``: of its input in the form, `ROOT` and the way to the value. ``required``: by the object around it.
    ``nullable``: ``null`` fits. ``schema``: of the value that is not null, its own references resolved.
    ``item``: the kind of each line of ``lines``. ``choices``: the values of a ``choice``, and the one of a ``fixed``.
    """

    name: str
    key: str
    kind: Kind
    label: str
    help: str | None
    required: bool
    nullable: bool
    default: Any
    schema: Schema
    item: Kind | None = None
    choices: tuple[Any, ...] = ()
    fields: tuple["Field", ...] = ()

    @property
    def optional(self) -> bool:
        """Whether it may be left out, or be null."""
        return not self.required or self.nullable

    @property
    def has_input(self) -> bool:
        """Whether something is sent under its name: of a group, the box to have it at all."""
        return self.kind != "fixed" and (self.kind != "group" or self.optional)

    def walk(self) -> Iterator["Field"]:
        """It, and all within it."""
        yield self
        for field in self.fields:
            yield from field.walk()


class _TooMany(Exception):
    pass


@dataclass(slots=True)
class _Builder:
    root: Schema
    left: int = MAX_FIELDS

    def field(self, schema: Any, name: str, key: str, *, required: bool, depth: int) -> Field:
        self.left -= 1
        if self.left < 0:
            raise _TooMany
        return self.as_its_kind(self.plain(schema, name, key, required=required), depth)

    def plain(self, schema: Any, name: str, key: str, *, required: bool) -> Field:
        """A value that is asked for as JSON."""
        resolved = schemas.resolve(self.root, schema)
        own, nullable = schemas.without_null(self.root, resolved)
        return Field(
            name=name,
            key=key,
            kind="json",
            label=_label(schema, key),
            help=schemas.text(resolved, "description") or schemas.text(own, "description"),
            required=required,
            nullable=nullable,
            default=resolved.get("default", MISSING),
            schema=own,
        )

    def as_its_kind(self, field: Field, depth: int) -> Field:
        own = field.schema
        choices = schemas.choices(own)
        if choices is not None:
            if len(choices) == 1 and (field.default == choices[0] or field.required) and not field.nullable:
                return replace(field, kind="fixed", choices=choices)
            return replace(field, kind="choice", choices=choices) if len(choices) <= MAX_CHOICES else field
        match own.get("type"):
            case "object" if isinstance(own.get("properties"), dict) and own["properties"] and depth < MAX_NESTING:
                return replace(field, kind="group", fields=self._within(field, depth + 1))
            case "array" if (item := self._item(own)) is not None:
                return replace(field, kind="lines", item=item)
            case "boolean":
                plain = not field.nullable and (field.required or field.default is not MISSING)
                return replace(field, kind="check" if plain else "choice", choices=(True, False))
            case _:
                return replace(field, kind=_scalar(own) or "json")

    def _within(self, field: Field, depth: int) -> tuple[Field, ...]:
        required = field.schema.get("required")
        needed = required if isinstance(required, list) else []
        return tuple(
            self.field(schema, f"{field.name}/{_step(key)}", key, required=key in needed, depth=depth)
            for key, schema in field.schema["properties"].items()
        )

    def _item(self, own: Schema) -> Kind | None:
        """The kind of a list's items, where each is something for one line."""
        if "items" not in own or "prefixItems" in own:
            return None
        item, nullable = schemas.without_null(self.root, schemas.resolve(self.root, own["items"]))
        choices = schemas.choices(item)
        if nullable or (choices is not None and not all(isinstance(choice, str) for choice in choices)):
            return None
        return "text" if choices is not None else _scalar(item)


def form(schema: Any, *, as_json: bool = False) -> Field:
    """The form for a value; all of it in one field of JSON where that is wanted, where a form would be too large, and
    where nothing is known of the value."""
    builder = _Builder(schema if isinstance(schema, dict) else {})
    plain = builder.plain(builder.root, ROOT, "", required=True)
    if as_json:
        return plain
    try:
        return builder.as_its_kind(plain, 0)
    except _TooMany:
        return plain


def _scalar(own: Schema) -> Kind | None:
    match schemas.text(own, "type"):
        case "string":
            return _FORMATS.get(schemas.text(own, "format") or "", "text")
        case "integer":
            return "integer"
        case "number":
            return "number"
        case _:
            return "number" if schemas.is_decimal(own) else None


_FORMATS: Mapping[str, Kind] = {"date": "date", "date-time": "moment"}


def _label(schema: Any, key: str) -> str:
    """What its author calls it: here, not where a shared definition stands, and not as pydantic spells names."""
    title = schemas.text(schema, "title")
    if title is not None and _letters(title) != _letters(key):
        return title
    return words.label(key) if key else "Input"


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _step(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
