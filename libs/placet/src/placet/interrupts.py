"""How a handler pauses its run: it returns or raises an `Interrupt`."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypedDict, Unpack, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from placet_contracts.destinations import Destination, Email, Slack, Webhook
from placet_contracts.events import GateName, OnReject

UNNAMED = "approval"  # the gate of those who need only one

_GATE: TypeAdapter[str] = TypeAdapter(GateName)


class Options(TypedDict, total=False):
    """What a request for approval may say. See `Interrupt.approval`."""

    message: str | None
    destination: Destination | Sequence[Destination] | None
    title: str | None
    context: object
    expires_in: timedelta | float | None
    on_reject: OnReject


class Interrupt(BaseException):
    """A request for approval, at a gate of its run.

    A ``BaseException``, as ``asyncio.CancelledError`` is: raised, it passes through a handler's ``except Exception``,
    which would take it for a failure and go on without the approval.
    """

    gate: str
    message: str | None
    destinations: tuple[Destination, ...]
    title: str | None
    context: Any  # plain JSON
    expires_in: float | None  # seconds
    on_reject: OnReject

    def __init__(
        self,
        gate: str = UNNAMED,
        *,
        message: str | None = None,
        destination: Destination | Sequence[Destination] | None = None,
        title: str | None = None,
        context: object = None,
        expires_in: timedelta | float | None = None,
        on_reject: OnReject = "reject",
    ) -> None:
        """See `approval`."""
        super().__init__(gate)
        self.gate = _gate(gate)
        self.message = text("message", message)
        self.destinations = destinations(destination)
        self.title = text("title", title)
        self.context = _plain_json(context)
        self.expires_in = _seconds(expires_in)
        if on_reject not in get_args(OnReject):
            raise ValueError(f"on_reject: {on_reject!r} is none of {', '.join(get_args(OnReject))}")
        self.on_reject = on_reject

    @classmethod
    def approval(cls, gate: str = UNNAMED, **options: Unpack[Options]) -> "Interrupt":
        """Ask people for their approval.

        ``context`` is shown beside the run's input: anything that has a JSON. ``expires_in`` counts in seconds.
        A rejected or expired run ends as ``rejected`` and its handler is not entered again, unless
        ``on_reject="resume"``: then it is, and finds the outcome in ``ctx.approval(gate)``.

        Raises:
            TypeError: an argument of another type, or a context without JSON.
            ValueError: an argument that does not do.
        """
        return cls(gate, **options)


def text(name: str, value: object) -> str | None:
    """A text that any channel and store can take.

    Raises:
        TypeError: it is no string.
        ValueError: it holds a NUL or half a surrogate pair.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name}: a string, not {value.__class__.__name__}")
    if "\0" in value:
        raise ValueError(f"{name}: holds a NUL character")
    value.encode()
    return value


def destinations(value: object) -> tuple[Destination, ...]:
    """One destination or several, as a tuple.

    Raises:
        TypeError: something in it is no destination.
    """
    if value is None:
        return ()
    if isinstance(value, Email | Slack | Webhook):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(one for item in value for one in destinations(item))
    raise TypeError(f'destination: Email("ana@example.com") or the like, not {value.__class__.__name__}')


def _gate(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"gate: a string, not {value.__class__.__name__}")
    try:
        return _GATE.validate_python(value)
    except ValidationError:
        raise ValueError(
            f"gate: {value!r:.120} is no name for a gate: 1 to 100 letters, digits or . _ : - after a letter or digit"
        ) from None


def _plain_json(value: object) -> Any:
    try:
        return from_json(to_json(value), allow_inf_nan=False)
    except ValueError as error:
        raise TypeError(f"context: has no JSON: {error}") from error


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expires_in: a timedelta or seconds, not {value.__class__.__name__}")
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"expires_in: {value} is no time that can pass")
    return float(value)
