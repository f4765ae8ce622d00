"""Whether a form's value fits its JSON Schema; what does not is said beside the field that it is about, in words."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from pydantic_core import SchemaError as CoreSchemaError
from pydantic_core import SchemaValidator, core_schema
from referencing import Registry
from referencing.exceptions import Unresolvable

from placet_approval.inbox.forms.fields import Field
from placet_approval.inbox.forms.reading import NEEDED, Reading, read
from placet_approval.inbox.forms.words import count, plain, quoted


def check(form: Field, schema: Any, posted: Mapping[str, str]) -> Reading:
    """A posted form's value, and what is wrong with it, by the names of inputs.

    A schema that cannot be followed finds nothing wrong: whoever takes the value looks at it again.
    """
    found = read(form, posted)
    errors = dict(found.errors)
    for error in _errors(schema, found.value) if form.name not in errors else ():
        name, message = _place(form, error)
        if not any(name == noted or noted.startswith(f"{name}/") for noted in found.errors):
            errors.setdefault(name, message)
    return Reading(found.value, errors)


def _errors(schema: Any, value: Any) -> list[ValidationError]:
    if not isinstance(schema, dict):
        return []
    try:
        _VALIDATOR.check_schema(schema)
        validator = _VALIDATOR(schema, registry=Registry(), format_checker=_FORMATS)  # one that fetches nothing
        return [leaf for error in validator.iter_errors(value) for leaf in _leaves(error)]
    except (SchemaError, Unresolvable, RecursionError):
        return []


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """What is wrong, out of the one way in which the value can be meant: null is not meant by what is not null."""
    if error.validator in ("anyOf", "oneOf") and error.context:
        ways: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            ways.setdefault(inner.schema_path[0], []).append(inner)
        meant = [way for way in ways.values() if not any(e.validator == "type" and not e.path for e in way)]
        if len(meant) == 1 or len(ways) == 1:
            for inner in meant[0] if meant else next(iter(ways.values())):
                yield from _leaves(inner)
            return
    yield error


def _place(form: Field, error: ValidationError) -> tuple[str, str]:
    """The name of the input that an error is about, and what to say there."""
    limit: Any = error.validator_value
    instance: Any = error.instance
    path = list(error.absolute_path)
    if error.validator == "required":
        path += [key for key in limit if key not in instance][:1]
    field = form
    while path and (inner := next((f for f in field.fields if f.key == path[0]), None)) is not None:
        field, path = inner, path[1:]
    words = NEEDED if error.validator == "required" else _words(error)
    if not path:
        return field.name, words
    if field.kind == "lines":
        return field.name, f"{quoted(error.instance)}: {words}"
    return field.name, f"{'.'.join(map(str, path))}: {words}"


def _words(error: ValidationError) -> str:
    limit: Any = error.validator_value
    speak = _SPEAK.get(str(error.validator))
    return speak(limit, error.instance) if speak is not None else f"This does not fit: {error.message[:200]}."


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FORMAT_NAMES = {
    "email": "an e-mail address",
    "uri": "a URL, such as https://example.com",
    "uuid": "a UUID",
    "date": "a date",
    "time": "a time of day",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
}
_SPEAK: Mapping[str, Callable[[Any, Any], str]] = {
    "type": lambda type, _: f"This must be {_TYPES.get(type, type) if isinstance(type, str) else ' or '.join(type)}.",
    "minimum": lambda least, _: f"At least {plain(least)}.",
    "maximum": lambda most, _: f"At most {plain(most)}.",
    "exclusiveMinimum": lambda low, _: f"More than {plain(low)}.",
    "exclusiveMaximum": lambda high, _: f"Less than {plain(high)}.",
    "multipleOf": lambda factor, _: f"A multiple of {plain(factor)}.",
    "minLength": lambda least, _: f"At least {count(least, 'character')}.",
    "maxLength": lambda most, text: f"At most {count(most, 'character')}; these are {len(text)}.",
    "minItems": lambda least, _: f"At least {count(least, 'entry', 'entries')}.",
    "maxItems": lambda most, _: f"At most {count(most, 'entry', 'entries')}.",
    "uniqueItems": lambda _, __: "Each entry only once.",
    "pattern": lambda pattern, _: f"This must match {pattern}",
    "format": lambda name, _: f"This is not {_FORMAT_NAMES.get(name, f'of the format {name}')}.",
    "enum": lambda values, _: f"One of {', '.join(quoted(value) for value in values[:20])}.",
    "const": lambda value, _: f"This must be {quoted(value)}.",
    "additionalProperties": lambda _, __: "There is something in it that is not known here.",
    "anyOf": lambda _, __: "This fits none of the forms that it may have.",
    "oneOf": lambda _, __: "This fits none, or more than one, of the forms that it may have.",
}


def _pattern(validator: Validator, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """As pydantic looks for a pattern: in time that grows with the text alone. What it cannot compile is not looked
    for."""
    compiled = _compiled(pattern) if isinstance(instance, str) else None
    if compiled is not None and not compiled.isinstance_python(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@lru_cache(maxsize=200)
def _compiled(pattern: str) -> SchemaValidator | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True))
    except CoreSchemaError:
        return None


def _not_looked_at(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    yield from ()


_VALIDATOR: type[Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _pattern, "patternProperties": _not_looked_at}
)
_FORMATS = FormatChecker(("date", "email", "ipv4", "ipv6", "uuid"))


@_FORMATS.checks("uri", raises=ValueError)
def _is_url(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return bool(parts.scheme and (parts.netloc or parts.path)) and not any(c.isspace() for c in value)
