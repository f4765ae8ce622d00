"""Sends: claims what is due, hands it to its channel under a lease, and commits how that ended, in batches."""

import asyncio
import random
from datetime import timedelta
from functools import partial
from time import monotonic

import structlog
from prometheus_client import Counter

from placet_notifier import handlers
from placet_notifier.deps import Deps
from placet_notifier.domain import Claimed, SendFailed, Settlement, TryLater, Undeliverable, failed
from placet_runtime import fail
from placet_runtime.batching import Batcher
from placet_runtime.loops import end
from placet_runtime.postgres import UNAVAILABLE

log = structlog.get_logger()

# ``stale``: sent by a worker that had lost its lease by then, so perhaps sent twice.
DELIVERIES = Counter("placet_deliveries_total", "Attempts to deliver, by how they ended", ["channel", "result"])

_POLL = 1.0  # seconds; retries fall due, and leases run out
_COMMIT_AGAIN = 0.25


class Worker:
    """One notifier's hands."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._settlements: Batcher[Settlement, bool] = Batcher(partial(handlers.settle, deps))
        self._attempts: set[asyncio.Task[None]] = set()
        self._draining = False

    async def round(self) -> None:
        """Start on what is due, as far as there is room; then wait for more, for a second at most."""
        self._deps.wake.clear()
        free = self._deps.concurrency - len(self._attempts)
        if free and not self._draining:
            for claimed in await handlers.claim(self._deps, free):
                attempt = asyncio.create_task(self._attempt(claimed), name=f"delivery {claimed.id}")
                self._attempts.add(attempt)
                attempt.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(_POLL):
                await self._deps.wake.wait()
        except TimeoutError:
            return

    async def drain(self, at_most: timedelta) -> None:
        """Claim no more, and let attempts finish; those that do not are made again once their lease has run out."""
        self._draining = True
        if not self._attempts:
            return
        _, unfinished = await asyncio.wait(self._attempts, timeout=at_most.total_seconds())
        await end(*unfinished)
        if unfinished:
            log.warning("worker.interrupted", deliveries=len(unfinished))

    def _leave(self, attempt: asyncio.Task[None]) -> None:
        if len(self._attempts) == self._deps.concurrency:  # more may be due than there was room for
            self._deps.wake.set()
        self._attempts.discard(attempt)

    async def _attempt(self, claimed: Claimed) -> None:
        facts = {"delivery_id": str(claimed.id), "channel": claimed.channel, "attempt": claimed.attempt}
        settlement, reason = await self._send(claimed)
        try:
            held = await self._insist(settlement)
        except Exception:  # it is claimed again when its lease has run out
            log.exception("delivery.unsettled", **facts)
            return
        result = settlement.status if held else "stale"
        DELIVERIES.labels(claimed.channel, result).inc()
        if result == "sent":
            log.info("delivery.sent", **facts)
        else:
            log.warning(f"delivery.{result}", **facts, reason=reason)

    async def _send(self, claimed: Claimed) -> tuple[Settlement, str | None]:
        """Make the attempt. What it returns last may be logged: it names nobody."""
        deps = self._deps
        try:
            if claimed.attempt > deps.tries:
                raise Undeliverable(f"gave up: {deps.tries} attempts began and none came to an end")
            fail.point("deliver.before_send")
            await deps.channels[claimed.channel].send(claimed.read())
            fail.point("deliver.after_send")
        except SendFailed as error:
            failure = error
        except Exception as error:
            log.exception("delivery.broke", delivery_id=str(claimed.id))
            failure = TryLater(f"internal error: {type(error).__name__}")
        else:
            return Settlement(claimed.id, claimed.lease, "sent"), None
        spread = random.random()  # noqa: S311
        return failed(claimed, failure, tries=deps.tries, first=deps.backoff, spread=spread), failure.reason

    async def _insist(self, settlement: Settlement) -> bool:
        """Try until the database answers: a result that is lost is a message that is sent twice."""
        deadline = monotonic() + self._deps.lease.total_seconds()
        while True:
            try:
                return await self._settlements.submit(settlement)
            except UNAVAILABLE:
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(_COMMIT_AGAIN)
