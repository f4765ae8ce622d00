"""Deletes what has ended and was kept for long enough: the oldest first, in small batches, each a short transaction.

A duplicate of an old message must start nothing anew, so what is deleted leaves a mark: its id, and what tells a repeat
from a contradiction. A mark is committed a while before its row goes, longer than any statement lasts: so whoever looks
for both finds at least one of them, without a lock.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from prometheus_client import Counter

from placet_contracts.topology import Service
from placet_runtime import quarantine
from placet_runtime.postgres import Connection, Pool

log = structlog.get_logger()

GROUP = "placet.retention"  # entry points by service, each a sequence of rules
BATCH = 100
GRACE = timedelta(seconds=90)  # between a mark and its row's end: the marking and another statement last 30 s each

DELETED = Counter("placet_retention_deleted_total", "Rows that were deleted after their time", ["service", "what"])


@dataclass(frozen=True, slots=True)
class Due:
    """What a rule would delete now."""

    rows: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing that ends. Its functions take how long it is kept, and a limit; they return how many it was."""

    what: str  # the setting is ``PLACET_RETENTION_<WHAT>``
    due: Callable[[Connection | Pool, timedelta], Awaitable[Due]]
    delete: Callable[[Pool, timedelta, int], Awaitable[int]]  # only what has been marked, where marks are
    mark: Callable[[Pool, timedelta, int], Awaitable[int]] | None = None


class Retention:
    """Applies rules, for ever; those that keep their things for ever are left out."""

    def __init__(
        self, pool: Pool, service: Service, rules: Sequence[tuple[Rule, timedelta | None]], every: timedelta
    ) -> None:
        self._pool = pool
        self._service = service
        self._rules = [(rule, keep) for rule, keep in rules if keep is not None]
        self._every = every.total_seconds()

    async def run(self) -> None:
        """A round, and then a pause, again and again."""
        while True:
            await self.round()
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))  # noqa: S311

    async def round(self) -> None:
        """Delete, and mark, all that is due. A rule that fails is logged, and the others are applied."""
        for rule, keep in self._rules:
            try:
                async for deleted in self._batches(rule.delete, keep):
                    DELETED.labels(self._service, rule.what).inc(deleted)
                if rule.mark is not None:
                    async for _ in self._batches(rule.mark, keep):
                        continue
            except Exception:
                log.exception("retention.failed", what=rule.what)

    async def _batches(
        self, batch: Callable[[Pool, timedelta, int], Awaitable[int]], keep: timedelta
    ) -> AsyncIterator[int]:
        """How many rows each batch had, until there is nothing left; rests as long as each has taken."""
        done = BATCH
        while done == BATCH:
            began = monotonic()
            done = await batch(self._pool, keep, BATCH)
            yield done
            await asyncio.sleep(monotonic() - began)


async def quarantine_due(conn: Connection | Pool, keep: timedelta) -> Due:
    """Refused messages that were kept for long enough."""
    return await count(
        conn,
        "SELECT count(*) AS rows, min(created_at) AS oldest FROM quarantine"
        " WHERE created_at < now() - $1::interval AND NOT retry",
        keep,
    )


QUARANTINE = Rule("quarantine", quarantine_due, quarantine.expire)


async def count(conn: Connection | Pool, statement: str, keep: timedelta) -> Due:
    """What a statement with the columns ``rows`` and ``oldest`` counts."""
    row = await conn.fetchrow(statement, keep)
    assert row is not None
    return Due(row["rows"], row["oldest"])


def rows_of(tag: str) -> int:
    """How many rows a statement has changed, by what the server says of it, such as ``DELETE 5``."""
    return int(tag.rpartition(" ")[2])
