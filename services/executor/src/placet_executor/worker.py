"""Executes passes: claims what is due, runs handlers under leases, and commits how they ended, in batches."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar

import structlog
from prometheus_client import Counter

from placet.execution import Completed, Json, Paused, Snapshot, run_pass
from placet_contracts.destinations import Destination
from placet_contracts.events import ApprovalRequested, StepDone
from placet_executor.deps import Deps
from placet_executor.domain import Claimed, Ending, LeaseLost, Recorded, after_failure, fitting
from placet_executor.handlers import leases, passes
from placet_executor.slots import Slots
from placet_runtime.batching import Batcher
from placet_runtime.loops import end
from placet_runtime.postgres import UNAVAILABLE

log = structlog.get_logger()

T = TypeVar("T")

PASSES = Counter("placet_passes_total", "Passes of runs, by how they ended", ["workflow", "ending"])

_CLAIM = 128
_POLL = 0.5  # seconds; retries fall due, and hints get lost
_ANNOUNCE_AFTER = 1.0
_RETRY = 0.25


class Worker:
    """One executor's hands."""

    def __init__(self, deps: Deps, slots: Slots) -> None:
        self._deps = deps
        self._slots = slots
        slots.begin_with(self._execute)
        self._steps: Batcher[Recorded, datetime] = Batcher(lambda items: passes.record_steps(deps, items))
        self._notifications: Batcher[passes.Asked, None] = Batcher(
            lambda items: passes.record_notifications(deps, items)
        )
        self._endings: Batcher[tuple[Ending, ApprovalRequested | None], None] = Batcher(
            lambda items: passes.end_passes(deps, items)
        )

    async def claim(self) -> None:
        """Take what is due, for ever, as long as slots are free."""
        while True:
            with self._slots.keep(_CLAIM) as limit:
                claimed = await passes.claim(self._deps, limit) if limit else []
                self._slots.execute(claimed)
            self._slots.behind = len(claimed) == limit
            if not limit or len(claimed) < limit:
                await self._slots.due(_POLL)

    async def keep(self) -> None:
        """Prolong the leases of passes that last, and tell of them."""
        now = monotonic()
        lasting = [slot for slot in self._slots if not slot.announced and now - slot.since > _ANNOUNCE_AFTER]
        if lasting:
            await leases.announce(self._deps, [slot.held for slot in lasting])
            for slot in lasting:
                slot.announced = True
        aging = [slot for slot in self._slots if now - slot.renewed > self._deps.lease.total_seconds() / 3]
        if aging:
            await leases.renew(self._deps, [slot.held for slot in aging])
            for slot in aging:
                slot.renewed = now

    async def drain(self, at_most: timedelta) -> None:
        """Let passes finish; give back those that do not."""
        slots = list(self._slots)
        if not slots:
            return
        _, unfinished = await asyncio.wait([slot.task for slot in slots], timeout=at_most.total_seconds())
        held = [slot.held for slot in slots if slot.task in unfinished]
        await end(*unfinished)
        if held:
            await leases.release(self._deps, held)
            log.warning("worker.released", runs=len(held))

    async def _execute(self, run: Claimed) -> None:
        try:
            await self._pass(run)
        except LeaseLost:
            log.info("run.abandoned", run_id=run.id)
        except Exception:
            log.exception("run.interrupted", run_id=run.id)
            await self._insist(lambda: leases.release(self._deps, [(run.id, run.fence)]))

    async def _pass(self, run: Claimed) -> None:
        workflow = self._deps.app.workflows[run.workflow, run.version]
        snapshot = Snapshot(run.id, run.input, run.failures + 1, run.steps, run.approvals)
        journal = _Journal(self, run)
        result = fitting(await run_pass(workflow, snapshot, journal))
        request: ApprovalRequested | None = None
        if isinstance(result, Completed):
            ending = Ending(run.id, run.fence, "completed", output=result.output)
        elif isinstance(result, Paused):
            ending, request = passes.pause(run, result)
        else:
            ending = after_failure(
                run.id,
                run.fence,
                result.error,
                retryable=result.retryable,
                failures=run.failures,
                retries=workflow.retries,
                backoff=self._deps.backoff,
            )
        ending = replace(ending, steps=journal.done)
        await self._insist(lambda: self._endings.submit((ending, request)))
        PASSES.labels(run.workflow, ending.status).inc()

    async def _insist(self, commit: Callable[[], Awaitable[T]]) -> T:
        """Try until the database answers. A commit of unknown outcome is harmless to repeat: the fence tells."""
        deadline = monotonic() + self._deps.lease.total_seconds()
        while True:
            try:
                return await commit()
            except UNAVAILABLE:
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(_RETRY)

    async def record_step(self, recorded: Recorded) -> StepDone:
        return recorded.done(await self._insist(lambda: self._steps.submit(recorded)))

    async def record_notification(self, run: Claimed, key: str, message: str, destination: Destination) -> None:
        asked = (run.id, run.fence, key, run.workflow, message, destination)
        await self._insist(lambda: self._notifications.submit(asked))


class _Journal:
    """What a handler does, durable before it goes on."""

    def __init__(self, worker: Worker, run: Claimed) -> None:
        self._worker = worker
        self._run = run
        self.done: list[StepDone] = []

    async def record_step(self, name: str, result: Json, took: timedelta) -> None:
        run = self._run
        recorded = Recorded(run.id, run.fence, name, result, run.failures + 1, took)
        self.done.append(await self._worker.record_step(recorded))

    async def record_notification(self, key: str, message: str, destination: Destination) -> None:
        await self._worker.record_notification(self._run, key, message, destination)
