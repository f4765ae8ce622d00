"""Leases and registrations: who lives, who holds what, and what nobody serves."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from placet_executor.deps import Deps
from placet_executor.handlers.changes import changed, hint_others, interrupted
from placet_executor.handlers.serving import gone
from placet_executor.store import runs, workers

log = structlog.get_logger()

Held = tuple[str, int]  # run id, fence

SILENT_AFTER = timedelta(seconds=30)
_BATCH = 500


async def register(deps: Deps) -> None:
    """Say that this worker lives and what it serves; runs that were parked for the want of it go on."""
    async with deps.outbox.transaction() as (conn, emit):
        await workers.register(conn, deps.worker, deps.served)
        freed = await runs.unpark(conn, _BATCH)
        emit(changed(change) for change in freed)
    if freed:
        deps.hands.wake()


async def forget(deps: Deps) -> None:
    """This worker goes."""
    async with deps.outbox.transaction() as (conn, emit):
        await workers.forget(conn, deps.worker)
        emit(await gone(conn, [deps.worker]))


async def reconcile(deps: Deps) -> None:
    """Free what dead or stalled workers held, and park what nobody serves."""
    async with deps.outbox.transaction() as (conn, emit):
        if silent := await workers.forget_silent(conn, SILENT_AFTER):
            emit(await gone(conn, silent))
        for worker in silent:
            log.warning("worker.silent", worker=worker)
        reaped = await runs.reap(conn, _BATCH)
        emit(await interrupted(conn, reaped))
        await hint_others(deps, conn, reaped)
        parked = await runs.park(conn, _BATCH)
        emit(changed(change) for change in parked)
    for change in reaped:
        log.warning("run.lease_lost", run_id=change.id, status=change.status)
    if reaped:
        deps.hands.wake()


async def renew(deps: Deps, held: Sequence[Held]) -> None:
    """Prolong leases; what is held no longer is abandoned."""
    async with deps.outbox.transaction() as (conn, _):
        still = set(await runs.renew(conn, held, deps.lease))
    deps.hands.abandon([run_id for run_id, _ in held if run_id not in still])


async def announce(deps: Deps, held: Sequence[Held]) -> None:
    """Tell that these runs are being executed. Quick passes are over before anybody asks."""
    async with deps.outbox.transaction() as (conn, emit):
        emit(changed(change) for change in await runs.announce(conn, held))


async def release(deps: Deps, held: Sequence[Held]) -> None:
    """Give back what was not finished, for another worker to take at once."""
    async with deps.outbox.transaction() as (conn, emit):
        released = await runs.release(conn, held)
        emit(await interrupted(conn, released))
    if released:
        deps.hands.wake()
