"""From messages to handlers: read, hand over in batches, put into quarantine what cannot be, acknowledge the rest."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from pydantic import ValidationError
from pydantic_core import to_json

from placet_contracts import cloudevents
from placet_contracts.cloudevents import CloudEvent, NotAnEvent, explain
from placet_contracts.events import Event
from placet_contracts.topology import Service, producer
from placet_runtime import quarantine
from placet_runtime.bus import Bus
from placet_runtime.postgres import UNAVAILABLE, Pool
from placet_runtime.quarantine import Refused

log = structlog.get_logger()

# Commits the effects of all the events, or raises.
Handle: TypeAlias = Callable[[Sequence[CloudEvent[Any]]], Awaitable[None]]

MAX_BODY = 4 * 1024 * 1024
_TRIES = 5


class Permanent(Exception):
    """Raised by a handler for an event that no repetition makes acceptable; the message goes into quarantine."""


class Consumer:
    """One service's subscriptions, each with the handler that its events go to.

    A handler that raises `Permanent`, or anything else five times over, has its event put into quarantine; while
    the database is away everything is retried for as long as it takes.
    """

    def __init__(self, bus: Bus, pool: Pool, handlers: Mapping[type[Event], Handle]) -> None:
        self._bus = bus
        self._pool = pool
        self._failures: dict[tuple[str, str], int] = {}
        for event, handle in handlers.items():
            bus.subscribe(event.type, partial(self._receive, event.type, handle))
        bus.subscribe_dead(self._bury)

    async def _receive(self, type: str, handle: Handle, bodies: Sequence[bytes]) -> None:
        events: list[CloudEvent[Event]] = []
        refused: list[Refused] = []
        for body in bodies:
            if len(body) > MAX_BODY:
                refused.append(Refused(type, f"larger than {MAX_BODY} bytes", body))
                continue
            try:
                values = cloudevents.parse(body)
            except NotAnEvent as error:
                refused.append(Refused(type, str(error), body))
                continue
            for value in values:
                try:
                    events.append(_expect(type, value))
                except NotAnEvent as error:
                    refused.append(Refused(type, str(error), to_json(value)))
        await quarantine.add(self._pool, self._bus.service, refused)
        if events:
            await self._handle(handle, events)
            await self._acknowledge(events)

    async def _handle(self, handle: Handle, events: Sequence[CloudEvent[Event]]) -> None:
        try:
            await handle(events)
        except UNAVAILABLE:
            raise
        except Exception as error:
            if len(events) > 1:
                await self._handle_each(handle, events)
            else:
                await self._give_up_or_raise(events[0], error)
        else:
            if self._failures:
                for event in events:
                    self._failures.pop((event.source, event.id), None)

    async def _handle_each(self, handle: Handle, events: Sequence[CloudEvent[Event]]) -> None:
        """All but the bad ones go through; then the first bad one's error is raised, for the whole to be repeated."""
        errors: list[Exception] = []
        for event in events:
            try:
                await self._handle(handle, [event])
            except UNAVAILABLE:
                raise
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    async def _give_up_or_raise(self, event: CloudEvent[Event], error: Exception) -> None:
        key = (event.source, event.id)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if not isinstance(error, Permanent) and failures < _TRIES:
            raise error
        reason = _reason(error)
        log.error("event.refused", type=event.type, id=event.id, source=event.source, exc_info=error)
        await quarantine.add(self._pool, self._bus.service, [Refused(event.type, reason, cloudevents.encode(event))])
        self._failures.pop(key, None)

    async def _acknowledge(self, events: Sequence[CloudEvent[Event]]) -> None:
        by_producer: dict[Service, list[UUID]] = defaultdict(list)
        for event in events:
            if (service := producer(event.source)) is not None and (id := _own_id(event.id)) is not None:
                by_producer[service].append(id)
        for service, ids in by_producer.items():
            await self._bus.acknowledge(service, ids)

    async def _bury(self, bodies: Sequence[bytes]) -> None:
        reason = "delivered too often without being settled"
        await quarantine.add(self._pool, self._bus.service, [Refused("dead", reason, body) for body in bodies])


def _expect(type: str, value: Any) -> CloudEvent[Event]:
    event = cloudevents.decode(value)
    if event.type != type:
        raise NotAnEvent(f"an event of type {event.type} came with the routing key {type}")
    return event


def _reason(error: Exception) -> str:
    """In words, without the values that a validation refused: they may be secrets."""
    if isinstance(error, Permanent):
        return str(error)
    return f"{type(error).__name__}: {explain(error) if isinstance(error, ValidationError) else error}"


def _own_id(id: str) -> UUID | None:
    try:
        return UUID(id)
    except ValueError:
        return None
