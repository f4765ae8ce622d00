"""Messages that services could not take in: seen here, and handled by the service that keeps them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from placet_approval.deps import Deps
from placet_approval.domain import ApprovalError, NotFound
from placet_approval.quarantined import Name, Quarantined, judge
from placet_approval.store import quarantined as store
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import Handling, MessageQuarantined, MessageReleased, QuarantineHandle
from placet_contracts.topology import Service, producer
from placet_runtime import quarantine, telling
from placet_runtime.consumer import Permanent
from placet_runtime.postgres import planned_for_values

News = TypeVar("News", MessageQuarantined, MessageReleased)

_OWN: Service = "approval"
COUNTED = 1000  # at most
TOPIC = "quarantine"  # moves with each message


async def on_message_quarantined(deps: Deps, events: Sequence[CloudEvent[MessageQuarantined]]) -> None:
    """Show what services keep.

    Raises:
        Permanent: a service tells of another's.
    """
    told = _own_words(events)
    async with deps.outbox.transaction() as (conn, _):
        await store.follow(conn, told)
    _moved(deps, told)


async def on_message_released(deps: Deps, events: Sequence[CloudEvent[MessageReleased]]) -> None:
    """Show no more what has left.

    Raises:
        Permanent: a service tells of another's.
    """
    told = _own_words(events)
    async with deps.outbox.transaction() as (conn, _):
        await store.release(conn, told)
    _moved(deps, told)


async def follow_own(deps: Deps) -> None:
    """The same for this service's own quarantine: without the bus, as what it cannot take in from there would come
    back as one more message of that kind."""
    while await telling.is_due(deps.pool):
        async with deps.outbox.transaction() as (conn, _):
            if not (news := await telling.untold(conn, _OWN)):
                return
            await store.follow(conn, [each for each in news if isinstance(each, MessageQuarantined)])
            await store.release(conn, [each for each in news if isinstance(each, MessageReleased)])
        _moved(deps, news)


async def listed(
    deps: Deps, *, service: str | None, event_type: str | None, after: tuple[datetime, Name] | None, limit: int
) -> list[Quarantined]:
    """A page of what is in quarantine, the latest first, without the bodies."""
    async with planned_for_values(deps.pool) as conn:
        return await store.page(conn, service=service, event_type=event_type, after=after, limit=limit)


async def count(deps: Deps) -> int:
    """How many messages are in quarantine, up to `COUNTED`."""
    async with deps.pool.acquire() as conn:
        return await store.count(conn, COUNTED)


async def get(deps: Deps, name: Name) -> Quarantined:
    """A message with the beginning of its body; one that has left as well, for some days.

    Raises:
        NotFound: there is none.
    """
    async with deps.pool.acquire() as conn:
        found = await store.get(conn, [name])
    if name not in found:
        raise _not_found(name)
    return found[name]


async def find(deps: Deps, names: Sequence[Name]) -> list[Quarantined]:
    """Those of these messages that are there, in this order."""
    async with deps.pool.acquire() as conn:
        found = await store.get(conn, names)
    return [found[name] for name in names if name in found]


async def ask(deps: Deps, names: Sequence[Name], action: Handling, by: str) -> list[Quarantined | ApprovalError]:
    """Have messages taken in again or deleted by their services, many at a time; for each how it stands, or an error.

    A service that is down does it once it is there. What was asked for already, or has been done, is no error.
    """
    async with deps.outbox.transaction() as (conn, emit):
        asked = await store.ask(conn, names, action, by)
        commands = [
            QuarantineHandle(service=name.service, message_id=name.id, seq=seq, action=action, by=by)
            for name, seq in asked
        ]
        emit(command for command in commands if command.service != _OWN)
        if own := [command for command in commands if command.service == _OWN]:
            await quarantine.handle(conn, own)
        found = await store.get(conn, names)
    deps.changed([TOPIC, *(name.id for name, _ in asked)])
    new = {name for name, _ in asked}
    return [
        found[name] if name in new else judge(found[name], action) if name in found else _not_found(name)
        for name in names
    ]


async def forget(deps: Deps) -> None:
    """Delete what has left long ago."""
    async with deps.outbox.transaction() as (conn, _):
        await store.forget(conn)


def _moved(deps: Deps, told: Iterable[telling.News]) -> None:
    deps.changed([TOPIC, *(each.message_id for each in told)])


def _own_words(events: Iterable[CloudEvent[News]]) -> list[News]:
    """The last word on each message."""
    last: dict[Name, News] = {}
    for event in sorted(events, key=lambda event: event.data.seq):
        said = event.data
        if producer(event.source) != said.service:
            raise Permanent(f"{event.source} may not tell of what the service {said.service} keeps")
        last[Name(said.service, said.message_id)] = said
    return list(last.values())


def _not_found(name: Name) -> NotFound:
    return NotFound("message", f"{name.service}/{name.id}")
