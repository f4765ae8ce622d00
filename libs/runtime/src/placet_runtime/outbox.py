"""The transactional outbox: a state change and the events that tell of it commit together, or not at all.

1. A handler changes state and emits events in one transaction; they are rows in ``outbox``.
2. After COMMIT the rows go straight from memory to the bus. No polling, no second read.
3. A subscriber that has committed an event says so (an *ack*), and its row is deleted.
4. What was not acknowledged in time is sent again, with back-off: it is lost only if Postgres loses it. That covers a
   process that died after COMMIT, a broker that was wiped, a queue that was deleted, a subscriber that is down.

So a subscriber may see an event many times and in any order; its handlers compare and set.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

import structlog
from prometheus_client import Counter
from uuid_utils.compat import uuid7

from placet_contracts import cloudevents
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import Event
from placet_contracts.topology import SUBSCRIBERS, source
from placet_runtime import fail
from placet_runtime.batching import Batcher
from placet_runtime.bus import Acks, Bus, BusUnavailable
from placet_runtime.postgres import Connection, Pool, columns

log = structlog.get_logger()

Emit: TypeAlias = Callable[[Iterable[Event]], None]

RESEND_AFTER = timedelta(seconds=10)
RESEND_AT_MOST_EVERY = timedelta(minutes=10)
_SWEEP = 500
_MESSAGE_EVENTS = 256
_MESSAGE_BYTES = 512 * 1024
_HELD = 20_000

RESENT = Counter("placet_outbox_resent_total", "Events sent again because nobody had acknowledged them", ["service"])


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event as it stands in the outbox."""

    id: UUID
    type: str
    body: bytes


class Outbox:
    """One service's outbox, and the relay that empties it onto the bus."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._source = source(bus.service)
        self._offered: list[Outgoing] = []
        self._wake = asyncio.Event()
        self._handing_over = asyncio.Lock()
        self._delete: Batcher[Acks, None] = Batcher(self._delete_acknowledged)
        bus.subscribe_acks(self._on_acks)
        bus.on_amnesia(self.send_all_again)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[tuple[Connection, Emit]]:
        """A transaction, and a function that emits events with it. The events leave once it has committed."""
        emitted: list[Event] = []
        outgoing: list[Outgoing] = []
        async with self._pool.acquire(timeout=10) as conn:
            async with conn.transaction():
                yield conn, emitted.extend
                if emitted:
                    outgoing = [self._envelope(event) for event in emitted]
                    await _insert(conn, outgoing)
                fail.point("outbox.before_commit")
            fail.point("outbox.after_commit")
        self._offer(outgoing)

    async def relay(self) -> None:
        """Hand what was committed to the bus, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def sweep(self) -> None:
        """Send again what nobody has acknowledged in time."""
        while self._bus.ready:
            due = await _claim_due(self._pool)
            if due:
                RESENT.labels(self._bus.service).inc(len(due))
                log.info("outbox.sent_again", events=len(due))
                try:
                    await self._publish(due)
                except BusUnavailable:
                    await _postpone(self._pool, [event.id for event in due])
                    raise
            if len(due) < _SWEEP:
                return

    async def send_all_again(self) -> None:
        """Make everything due now: the broker has forgotten what it was given."""
        await self._pool.execute("UPDATE outbox SET next_send_at = now(), sends = 1 WHERE next_send_at > now()")

    async def flush(self) -> None:
        """Hand over what there is; when this returns, nothing is under way."""
        async with self._handing_over:
            offered, self._offered = self._offered, []
            try:
                await self._publish(offered)
            except BusUnavailable as error:  # the sweep sends them later
                log.warning("outbox.relay_failed", events=len(offered), error=str(error))

    def _envelope(self, event: Event) -> Outgoing:
        id = uuid7()
        return Outgoing(id, event.type, cloudevents.encode(CloudEvent(str(id), self._source, event)))

    def _offer(self, outgoing: Sequence[Outgoing]) -> None:
        # A bus that is away must not fill the memory: beyond this the sweep takes them from the table.
        if outgoing and len(self._offered) < _HELD:
            self._offered.extend(outgoing)
            self._wake.set()

    async def _publish(self, events: Sequence[Outgoing]) -> None:
        by_type = groupby(sorted(events, key=lambda event: event.type), key=lambda event: event.type)
        messages = [(type, body) for type, of_type in by_type for body in _messages(event.body for event in of_type)]
        results = await asyncio.gather(
            *(self._bus.publish(type, body) for type, body in messages), return_exceptions=True
        )
        for result in results:
            if result is not None:
                raise result

    async def _on_acks(self, acks: Sequence[Acks]) -> None:
        await asyncio.gather(*(self._delete.submit(ack) for ack in acks))

    async def _delete_acknowledged(self, acks: Sequence[Acks]) -> Sequence[None]:
        rows = [(event_id, ack.subscriber) for ack in acks for event_id in ack.event_ids]
        await self._pool.execute(
            """
            DELETE FROM outbox AS o
             USING unnest($1::uuid[], $2::text[]) AS a (event_id, subscriber)
             WHERE o.event_id = a.event_id AND o.subscriber = a.subscriber
            """,
            *columns(rows, 2),
        )
        return [None] * len(acks)


def _messages(bodies: Iterable[bytes]) -> Iterable[bytes]:
    """Encoded events, gathered into messages of bounded size."""
    gathered: list[bytes] = []
    size = 0
    for body in bodies:
        if gathered and (len(gathered) == _MESSAGE_EVENTS or size + len(body) > _MESSAGE_BYTES):
            yield cloudevents.join(gathered)
            gathered, size = [], 0
        gathered.append(body)
        size += len(body)
    if gathered:
        yield cloudevents.join(gathered)


async def _insert(conn: Connection, events: Sequence[Outgoing]) -> None:
    rows = [
        (event.id, subscriber, event.type, event.body.decode())
        for event in events
        for subscriber in SUBSCRIBERS[event.type]
    ]
    await conn.execute(
        """
        INSERT INTO outbox (event_id, subscriber, type, body, next_send_at)
        SELECT e.event_id, e.subscriber, e.type, e.body, now() + $5::interval
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS e (event_id, subscriber, type, body)
        """,
        *columns(rows, 4),
        RESEND_AFTER,
    )


async def _claim_due(pool: Pool) -> list[Outgoing]:
    """Events that are due to be sent again. Skips what another replica has claimed."""
    rows = await pool.fetch(
        """
        UPDATE outbox AS o
           SET sends = o.sends + 1,
               next_send_at = now() + least($2::interval * power(2, least(o.sends, 20)), $3::interval)
          FROM (SELECT event_id, subscriber FROM outbox
                 WHERE next_send_at <= now()
                 ORDER BY next_send_at LIMIT $1
                   FOR UPDATE SKIP LOCKED) AS due
         WHERE o.event_id = due.event_id AND o.subscriber = due.subscriber
        RETURNING o.event_id, o.type, o.body
        """,
        _SWEEP,
        RESEND_AFTER,
        RESEND_AT_MOST_EVERY,
    )
    return [Outgoing(row["event_id"], row["type"], row["body"].encode()) for row in rows]


async def _postpone(pool: Pool, event_ids: Sequence[UUID]) -> None:
    """They did not get out: try soon again, and do not count it."""
    await pool.execute(
        """
        UPDATE outbox SET next_send_at = now() + interval '2 seconds', sends = greatest(sends - 1, 1)
         WHERE event_id = ANY ($1::uuid[])
        """,
        event_ids,
    )
