"""From messages to handlers: read, hand over in batches, put into quarantine what cannot be, acknowledge the rest."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from pydantic import ValidationError
from pydantic_core import to_json

from placet_contracts import cloudevents
from placet_contracts.cloudevents import CloudEvent, NotAnEvent, explain
from placet_contracts.events import Event
from placet_contracts.topology import Service, producer
from placet_runtime import fail, quarantine
from placet_runtime.bus import Bus
from placet_runtime.outbox import row_id
from placet_runtime.postgres import UNAVAILABLE, Pool
from placet_runtime.quarantine import Quarantined, Refused

log = structlog.get_logger()

# Commits the effects of all the events, or raises.
Handle: TypeAlias = Callable[[Sequence[CloudEvent[Any]]], Awaitable[None]]

MAX_BODY = 4 * 1024 * 1024
_TRIES = 5
_RETRIES = 100  # that are read at a time
_RETRY_FOR = 20.0  # seconds, in one round
_GATHER_ACKS = 0.25  # seconds; nobody waits for them, and an outbox sends nothing again for much longer


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
        self._handlers = {event.type: handle for event, handle in handlers.items()}
        self._failures: dict[tuple[str, str], int] = {}
        self._committed: defaultdict[Service, set[UUID]] = defaultdict(set)  # rows that are to be acknowledged
        self._to_acknowledge = asyncio.Event()
        for type in self._handlers:
            bus.subscribe(type, partial(self._receive, type))
        bus.subscribe_dead(self._bury)

    async def retry(self) -> None:
        """Take messages in again that an operator wants to be; one that is refused once more stays, with the reason.

        As many as there are, for some seconds at most.
        """
        deadline = monotonic() + _RETRY_FOR
        while marked := await quarantine.to_retry(self._pool, _RETRIES):
            for kept in marked:
                if monotonic() > deadline:
                    return
                await self._retry(kept)

    async def _retry(self, kept: Quarantined) -> None:
        body = await quarantine.body(self._pool, kept.id)
        if body is not None:  # it has not been discarded meanwhile
            try:
                _, refused = await self._take_in(_type(kept, body), [body])
            except UNAVAILABLE:
                raise
            except Exception as error:
                log.exception("message.retry_failed", id=str(kept.id))
                refused = [Refused(kept.type, _reason(error), body)]
            if refused:
                await quarantine.refuse_again(self._pool, kept.id, refused[0].reason)
            else:
                await quarantine.taken_in(self._pool, kept.id)
                log.info("message.retried", id=str(kept.id))

    async def acknowledge(self) -> None:
        """Tell producers what has been committed since the last time."""
        committed, self._committed = self._committed, defaultdict(set)
        for service, rows in committed.items():
            await self._bus.acknowledge(service, list(rows))

    async def keep_acknowledging(self) -> None:
        """Acknowledge what gathers, for ever: many at a time, soon, and never when there is nothing."""
        while True:
            await self._to_acknowledge.wait()
            await asyncio.sleep(_GATHER_ACKS)
            self._to_acknowledge.clear()
            await self.acknowledge()

    async def _receive(self, type: str, bodies: Sequence[bytes]) -> None:
        fail.point("consume.before_commit")
        events, refused = await self._take_in(type, bodies)
        await quarantine.add(self._pool, self._bus.service, refused)
        fail.point("consume.after_commit")
        for event in events:
            if (service := producer(event.source)) is not None and (row := row_id(event.id)) is not None:
                self._committed[service].add(row)
        if self._committed:
            self._to_acknowledge.set()

    async def _take_in(self, type: str, bodies: Sequence[bytes]) -> tuple[list[CloudEvent[Event]], list[Refused]]:
        """Have what can be read handled; the events that were read, and what is refused for good."""
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
        if events:
            handle = self._handlers.get(type)
            if handle is None:
                refused += [Refused(type, "nobody here handles it", cloudevents.encode(event)) for event in events]
            else:
                refused += await self._handle(handle, events)
        return events, refused

    async def _handle(self, handle: Handle, events: Sequence[CloudEvent[Event]]) -> list[Refused]:
        try:
            await handle(events)
        except UNAVAILABLE:
            raise
        except Exception as error:
            if len(events) > 1:
                return await self._handle_each(handle, events)
            return [self._give_up_or_raise(events[0], error)]
        if self._failures:
            for event in events:
                self._failures.pop((event.source, event.id), None)
        return []

    async def _handle_each(self, handle: Handle, events: Sequence[CloudEvent[Event]]) -> list[Refused]:
        """All but the bad ones go through; then the first bad one's error is raised, for the whole to be repeated."""
        refused: list[Refused] = []
        errors: list[Exception] = []
        for event in events:
            try:
                refused += await self._handle(handle, [event])
            except UNAVAILABLE:
                raise
            except Exception as error:
                errors.append(error)
        if errors:
            await quarantine.add(self._pool, self._bus.service, refused)
            raise errors[0]
        return refused

    def _give_up_or_raise(self, event: CloudEvent[Event], error: Exception) -> Refused:
        key = (event.source, event.id)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if not isinstance(error, Permanent) and failures < _TRIES:
            raise error
        log.error("event.refused", type=event.type, id=event.id, source=event.source, exc_info=error)
        self._failures.pop(key, None)
        return Refused(event.type, _reason(error), cloudevents.encode(event))

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


def _type(kept: Quarantined, body: bytes) -> str:
    """What a message is to be taken in as; for a buried one it says so itself."""
    if kept.type != "dead":
        return kept.type
    try:
        value = cloudevents.parse(body)[0]
    except (NotAnEvent, IndexError):
        return kept.type
    return str(value.get("type")) if isinstance(value, dict) else kept.type
