"""What annotations say, and how values of those types are stored: as JSON text."""

import functools
import types
from collections.abc import Awaitable, Callable, Coroutine
from inspect import unwrap
from typing import Any, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from placet.interrupts import Interrupt
from placet_contracts.cloudevents import explain

Json = str  # JSON text: passes through unparsed between store and handler
Shape = TypeAdapter[Any]

# Evaluating a function's annotations costs as much as all else about a step.
_HINTS: WeakKeyDictionary[Callable[..., Any], dict[str, Any]] = WeakKeyDictionary()


def shape(hint: Any) -> Shape:
    """How values of an annotated type are read and written.

    Raises:
        Exception: the type is none that pydantic knows how to handle; see `reason`.
    """
    try:
        # Unions are equal in any order, but their order decides.
        return _cached_shape(hint, str(hint))
    except TypeError:  # Annotated with something unhashable
        return TypeAdapter(hint)


def annotation(fn: Callable[..., Any], name: str) -> Any:
    """The type that a parameter, or ``"return"``, is annotated with; ``Any`` if it is not.

    Raises:
        NameError: it is a string that names nothing at run time.
    """
    if name not in getattr(fn, "__annotations__", {}):
        return Any
    try:
        known = _HINTS.setdefault(getattr(fn, "__func__", fn), {})
    except TypeError:  # neither hashable nor to be referred to weakly
        return _evaluated(fn, name)
    if name not in known:
        known[name] = _evaluated(fn, name)
    return known[name]


def _evaluated(fn: Callable[..., Any], name: str) -> Any:
    only = types.SimpleNamespace(__annotations__={name: fn.__annotations__[name]})
    scope = getattr(unwrap(fn), "__globals__", {})
    return get_type_hints(only, globalns=scope, include_extras=True)[name]


def result_type(fn: Callable[..., Any]) -> Any:
    """The type of what a function gives, awaited if need be; ``Any`` if it does not say."""
    if isinstance(fn, functools.partial):
        return result_type(fn.func)
    if isinstance(fn, type):
        return fn
    function = fn if hasattr(fn, "__annotations__") else type(fn).__call__
    hint = annotation(function, "return")
    return get_args(hint)[-1] if get_origin(hint) in (Awaitable, Coroutine) else hint


def without_interrupt(hint: Any) -> Any:
    """What a handler gives at its end: its return type without the `Interrupt`."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    rest = tuple(kind for kind in kinds if kind is not Interrupt)
    return Union[rest] if rest else None  # noqa: UP007


def store(shape: Shape, value: object) -> tuple[Json, Any]:
    """A value's JSON, and the value that is read back from it.

    Raises:
        ValueError: it has no JSON, or one that does not fit the shape; see `reason`.
    """
    text = shape.dump_json(value, by_alias=True, round_trip=True, warnings=False).decode()
    return text, shape.validate_json(text)


def show(shape: Shape, value: object) -> Json:
    """A value's JSON for others, checked like one that is stored; computed fields are in it.

    Raises:
        ValueError: as `store`.
    """
    _, fitting = store(shape, value)
    return shape.dump_json(fitting, by_alias=True).decode()


def plain(value: object) -> Json:
    """The JSON of models, dataclasses and plain values alike, whatever they are annotated with.

    Raises:
        ValueError: it has none.
    """
    return to_json(value, inf_nan_mode="null").decode()


def reason(error: Exception) -> str:
    """Why a type or value does not do, in one line and without the value: it may be a secret."""
    if isinstance(error, ValidationError):
        return explain(error)
    return next(iter(str(error).splitlines()), "") or error.__class__.__name__


@functools.lru_cache(maxsize=1024)
def _cached_shape(hint: Any, _: str) -> Shape:
    return TypeAdapter(hint)
