"""The transactional outbox: a state change and the events that tell of it commit together, or not at all.

1. A handler changes state and emits events in one transaction; those of one type are one row in ``outbox``.
2. After COMMIT the rows go straight from memory to the bus. No polling, no second read.
3. A subscriber that has committed a row's events says so (an *ack*), and the row is deleted.
4. What was not acknowledged in time is sent again, with back-off: it is lost only if Postgres loses it. That covers a
   process that died after COMMIT, a broker that was wiped, a queue that was deleted, a subscriber that is down.

So a subscriber may see an event many times and in any order; its handlers compare and set.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self, TypeAlias
from uuid import UUID

import structlog
from prometheus_client import Counter
from uuid_utils.compat import uuid7

from placet_contracts import cloudevents
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import Event
from placet_contracts.topology import SUBSCRIBERS, Service, source
from placet_runtime import fail
from placet_runtime.batching import Batcher
from placet_runtime.bus import Acks, Bus, BusUnavailable
from placet_runtime.postgres import Connection, Pool, columns

log = structlog.get_logger()

Emit: TypeAlias = Callable[[Iterable[Event]], None]

RESEND_AFTER = timedelta(seconds=10)
RESEND_AT_MOST_EVERY = timedelta(minutes=10)
_SWEEP = 100
_ROW_BYTES = 128 * 1024
_MESSAGE_BYTES = 512 * 1024
_HELD_BYTES = 32 * 1024 * 1024

RESENT = Counter("placet_outbox_resent_total", "Rows sent again because nobody had acknowledged them", ["service"])


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row of the outbox: events of one type, encoded, with commas between them."""

    id: UUID
    type: str
    events: bytes


@dataclass(slots=True)
class _Offered:
    """Rows that were committed and are to be handed to the bus. A bus that is away must not fill the memory."""

    rows: list[Outgoing] = field(default_factory=list)
    size: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, rows: Sequence[Outgoing]) -> None:
        for row in rows:
            if self.size < _HELD_BYTES:  # beyond this the sweep takes them from the table
                self.rows.append(row)
                self.size += len(row.events)
        if rows:
            self.wake.set()

    def take(self) -> list[Outgoing]:
        rows, self.rows, self.size = self.rows, [], 0
        return rows


def event_id(row: UUID, place: int) -> str:
    """The id of an event in its row; ids of events differ, and lead back to what is to be acknowledged."""
    return f"{row}/{place}"


def row_id(event_id: str) -> UUID | None:
    """The row that an event of ours came in; ``None`` for an id that somebody else has made."""
    try:
        return UUID(event_id.partition("/")[0])
    except ValueError:
        return None


class Outbox:
    """One service's outbox, and the relay that empties it onto the bus."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._source = source(bus.service)
        self._offered = _Offered()
        self._handing_over = asyncio.Lock()
        self._delete: Batcher[Acks, None] = Batcher(self._delete_acknowledged)
        bus.subscribe_acks(self._on_acks)
        bus.on_amnesia(self.send_all_again)

    @property
    def service(self) -> Service:
        return self._bus.service

    def over(self, pool: Pool) -> Self:
        """The same outbox, its transactions on connections of another pool: those need not wait for these."""
        twin = copy(self)
        twin._pool = pool
        return twin

    @asynccontextmanager
    async def transaction(self, of: str = "") -> AsyncIterator[tuple[Connection, Emit]]:
        """A transaction, and a function that emits events with it. The events leave once it has committed.

        ``of`` names what it is for, to tests that have it fail.
        """
        emitted: list[Event] = []
        outgoing: list[Outgoing] = []
        async with self._pool.acquire(timeout=10) as conn:
            async with conn.transaction():
                yield conn, emitted.extend
                if emitted:
                    outgoing = list(self._rows(emitted))
                    await _insert(conn, outgoing)
                fail.point("outbox.before_commit")
                fail.point(f"{of}.before_commit")
            fail.point("outbox.after_commit")
            fail.point(f"{of}.after_commit")
        self._offered.add(outgoing)

    async def relay(self) -> None:
        """Hand what was committed to the bus, for ever."""
        while True:
            await self._offered.wake.wait()
            self._offered.wake.clear()
            await self.flush()

    async def sweep(self) -> None:
        """Send again what nobody has acknowledged in time."""
        while self._bus.ready:
            due = await _claim_due(self._pool)
            if due:
                RESENT.labels(self._bus.service).inc(len(due))
                log.info("outbox.sent_again", rows=len(due))
                try:
                    await self._publish(due)
                except BusUnavailable:
                    await _postpone(self._pool, [row.id for row in due])
                    raise
            if len(due) < _SWEEP:
                return

    async def send_all_again(self) -> None:
        """Make everything due now: the broker has forgotten what it was given."""
        await self._pool.execute("UPDATE outbox SET next_send_at = now(), sends = 1 WHERE next_send_at > now()")

    async def flush(self) -> None:
        """Hand over what there is; when this returns, nothing is under way."""
        async with self._handing_over:
            offered = self._offered.take()
            try:
                await self._publish(offered)
            except BusUnavailable as error:  # the sweep sends them later
                log.warning("outbox.relay_failed", rows=len(offered), error=str(error))

    def _rows(self, emitted: Sequence[Event]) -> Iterator[Outgoing]:
        time = datetime.now(UTC)
        by_type: defaultdict[str, list[Event]] = defaultdict(list)
        for event in emitted:
            by_type[event.type].append(event)
        for type, events in by_type.items():
            id, encoded, size = uuid7(), list[bytes](), 0
            for event in events:
                if size >= _ROW_BYTES:
                    yield Outgoing(id, type, cloudevents.join(encoded))
                    id, encoded, size = uuid7(), [], 0
                encoded.append(cloudevents.encode(CloudEvent(event_id(id, len(encoded)), self._source, event, time)))
                size += len(encoded[-1])
            yield Outgoing(id, type, cloudevents.join(encoded))

    async def _publish(self, rows: Sequence[Outgoing]) -> None:
        by_type: defaultdict[str, list[bytes]] = defaultdict(list)
        for row in rows:
            by_type[row.type].append(row.events)
        messages = [(type, body) for type, events in by_type.items() for body in _messages(events)]
        fail.point("relay.before_publish")
        results = await asyncio.gather(
            *(self._bus.publish(type, body) for type, body in messages), return_exceptions=True
        )
        for result in results:
            if result is not None:
                raise result
        fail.point("relay.after_publish")

    async def _on_acks(self, acks: Sequence[Acks]) -> None:
        await asyncio.gather(*(self._delete.submit(ack) for ack in acks))

    async def _delete_acknowledged(self, acks: Sequence[Acks]) -> Sequence[None]:
        rows = [(id, ack.subscriber) for ack in acks for id in ack.rows]
        await self._pool.execute(
            """
            DELETE FROM outbox AS o
             USING unnest($1::uuid[], $2::text[]) AS a (id, subscriber)
             WHERE o.id = a.id AND o.subscriber = a.subscriber
            """,
            *columns(rows, 2),
        )
        return [None] * len(acks)


def _messages(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows, gathered into messages of bounded size."""
    gathered: list[bytes] = []
    size = 0
    for events in rows:
        if gathered and size + len(events) > _MESSAGE_BYTES:
            yield cloudevents.batch(gathered)
            gathered, size = [], 0
        gathered.append(events)
        size += len(events)
    if gathered:
        yield cloudevents.batch(gathered)


async def _insert(conn: Connection, outgoing: Sequence[Outgoing]) -> None:
    rows = [
        (row.id, subscriber, row.type, row.events.decode()) for row in outgoing for subscriber in SUBSCRIBERS[row.type]
    ]
    await conn.execute(
        """
        INSERT INTO outbox (id, subscriber, type, events, next_send_at)
        SELECT r.id, r.subscriber, r.type, r.events, now() + $5::interval
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS r (id, subscriber, type, events)
        """,
        *columns(rows, 4),
        RESEND_AFTER,
    )


async def _claim_due(pool: Pool) -> list[Outgoing]:
    """Rows that are due to be sent again. Skips what another replica has claimed."""
    rows = await pool.fetch(
        """
        UPDATE outbox AS o
           SET sends = o.sends + 1,
               next_send_at = now() + least($2::interval * power(2, least(o.sends, 20)), $3::interval)
          FROM (SELECT id, subscriber FROM outbox
                 WHERE next_send_at <= now()
                 ORDER BY next_send_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS due
         WHERE o.id = due.id AND o.subscriber = due.subscriber
        RETURNING o.id, o.type, o.events
        """,
        _SWEEP,
        RESEND_AFTER,
        RESEND_AT_MOST_EVERY,
    )
    return [Outgoing(row["id"], row["type"], row["events"].encode()) for row in rows]


async def _postpone(pool: Pool, ids: Sequence[UUID]) -> None:
    """They did not get out: try soon again, and do not count it."""
    await pool.execute(
        """
        UPDATE outbox SET next_send_at = now() + interval '2 seconds', sends = greatest(sends - 1, 1)
         WHERE id = ANY ($1::uuid[])
        """,
        ids,
    )
