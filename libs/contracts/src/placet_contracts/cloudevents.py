"""CloudEvents 1.0 in structured JSON: one event, or a batch of them in one message."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from placet_contracts.events import EVENTS, Event

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class CloudEvent(Generic[E_co]):
    """An event in its envelope. ``(source, id)`` names it for ever: a repeat carries the same."""

    id: str
    source: str
    data: E_co
    time: datetime | None = None

    @property
    def type(self) -> str:
        return self.data.type


class NotAnEvent(ValueError):
    """Raised for bytes that are no event of ours; the message says why, in words for an operator."""


def encode(event: CloudEvent[Event]) -> bytes:
    """One event as structured JSON."""
    time = (event.time or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    return (
        b'{"specversion":"1.0","id":%b,"source":%b,"type":"%b","time":"%b","datacontenttype":"application/json","data":%b}'
        % (
            to_json(event.id),
            to_json(event.source),
            event.type.encode(),
            time.encode(),
            event.data.model_dump_json(by_alias=True).encode(),
        )
    )


def join(encoded: Iterable[bytes]) -> bytes:
    """Encoded events, or such joins of them, with commas between them."""
    return b",".join(encoded)


def batch(encoded: Iterable[bytes]) -> bytes:
    """A message out of encoded events."""
    return b"[" + join(encoded) + b"]"


def parse(body: bytes) -> list[Any]:
    """The JSON values of a message, one an event.

    Raises:
        NotAnEvent: the body is not JSON.
    """
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise NotAnEvent(f"not JSON: {error}") from error
    return value if isinstance(value, list) else [value]


def decode(value: Any) -> CloudEvent[Event]:
    """One parsed JSON value as an event.

    Raises:
        NotAnEvent: no CloudEvent 1.0, an unknown type, or data that does not fit its type.
    """
    if not isinstance(value, dict):
        raise NotAnEvent("not a CloudEvent: not a JSON object")
    if value.get("specversion") != "1.0":
        raise NotAnEvent("not a CloudEvent: specversion is not '1.0'")
    for attribute in ("id", "source", "type"):
        found = value.get(attribute)
        if not isinstance(found, str) or not 0 < len(found) <= 1000:
            raise NotAnEvent(f"not a CloudEvent: {attribute} is no non-empty string")
    event = EVENTS.get(value["type"])
    if event is None:
        raise NotAnEvent(f"unknown event type {value['type']!r}")
    try:
        data = event.model_validate(value.get("data"), by_alias=True, by_name=False)
    except ValidationError as error:
        raise NotAnEvent(f"{event.type}: {explain(error)}") from error
    return CloudEvent(id=value["id"], source=value["source"], data=data)


def explain(error: ValidationError) -> str:
    """A validation error in one line, without the values that were refused: they may be secrets."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'data'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )
