"""Looking at JSON Schemas: references within one document, what may be null, what may be chosen."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_HOPS = 20  # from reference to reference


def resolve(root: Schema, schema: Any) -> Schema:
    """A schema with its reference replaced by what it leads to; what stands beside the reference goes first.

    Nothing is fetched: what leads elsewhere, or nowhere, says nothing.
    """
    beside: dict[str, Any] = {}
    for _ in range(_HOPS):
        if not isinstance(schema, dict):
            return beside
        beside = {**schema, **beside}
        wrapped = schema.get("allOf")
        reference = schema.get("$ref")
        if reference is None and isinstance(wrapped, list) and len(wrapped) == 1:  # a reference with something beside
            beside.pop("allOf", None)
            schema = wrapped[0]
        elif isinstance(reference, str):
            beside.pop("$ref", None)
            schema = _at(root, reference)
        else:
            return beside
    return {}


def without_null(root: Schema, resolved: Schema) -> tuple[Schema, bool]:
    """What a schema says of values that are not null, and whether null fits too."""
    for word in ("anyOf", "oneOf"):
        branches = resolved.get(word)
        if not isinstance(branches, list):
            continue
        ways = [resolve(root, branch) for branch in branches]
        rest = [way for way in ways if way.get("type") != "null"]
        nullable = len(rest) < len(ways)
        around = {key: value for key, value in resolved.items() if key not in (word, "default", "title")}
        own = {**rest[0], **around} if len(rest) == 1 else {**around, word: rest}
        return own, nullable
    types = resolved.get("type")
    if isinstance(types, list):
        others = [type for type in types if type != "null"]
        return {**resolved, "type": others[0] if len(others) == 1 else others}, "null" in types
    if isinstance(values := resolved.get("enum"), list) and None in values and len(values) > 1:
        return {**resolved, "enum": [value for value in values if value is not None]}, True
    return resolved, not set(resolved) - _SAYS_NOTHING


def choices(own: Schema) -> tuple[Any, ...] | None:
    """The values that fit, where they are counted and plain."""
    if own.get("type") == "null":
        return (None,)
    values = [own["const"]] if "const" in own else own.get("enum")
    if not isinstance(values, list) or not values:
        return None
    plain = all(isinstance(value, str | int | float | bool) or value is None for value in values)
    return tuple(values) if plain else None


def is_decimal(own: Schema) -> bool:
    """Whether it is a number, which may also be written as text, to be exact."""
    ways = own.get("anyOf")
    return isinstance(ways, list) and [_type(way) for way in ways] == ["number", "string"] and "enum" not in ways[1]


def text(schema: Any, word: str) -> str | None:
    """A word that is text, such as the title."""
    found = schema.get(word) if isinstance(schema, dict) else None
    return found.strip() or None if isinstance(found, str) else None


_SAYS_NOTHING = {"title", "description", "default", "examples", "$defs", "$schema"}


def _type(way: Any) -> Any:
    return way.get("type") if isinstance(way, dict) else None


def _at(root: Schema, reference: str) -> Any:
    """What a pointer within the document leads to."""
    if not reference.startswith("#"):
        return {}
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found
