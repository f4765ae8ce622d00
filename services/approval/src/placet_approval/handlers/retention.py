"""Runs that ended long ago: written to the archive where there is one, then deleted with all that belongs to them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from placet_approval.domain import Approval, Run
from placet_approval.store import approvals
from placet_approval.store import retention as store
from placet_approval.store import runs as run_store
from placet_runtime import retention
from placet_runtime.postgres import Connection, Pool
from placet_runtime.retention import Rule

Archive: TypeAlias = Callable[[Sequence[tuple[Run, Sequence[Approval]]]], Awaitable[None]]
"""Writes runs with their approvals down, durably."""


async def delete_runs(pool: Pool, keep: timedelta, limit: int, *, archive: Archive | None) -> int:
    """Delete runs that were marked a while ago; how many. What cannot be archived is not deleted."""
    async with pool.acquire() as conn, conn.transaction():
        ids = await store.lock_marked(conn, keep, limit)
        if archive is not None and ids:
            await archive(await _whole(conn, ids))
        await store.delete(conn, ids)
    return len(ids)


async def _whole(conn: Connection, ids: Sequence[str]) -> list[tuple[Run, list[Approval]]]:
    runs = await run_store.get(conn, ids)
    asked = await store.approvals_of(conn, ids)
    told = await approvals.deliveries(conn, [approval.id for approval in asked])
    by_run: dict[str, list[Approval]] = {id: [] for id in ids}
    for approval in asked:
        by_run[approval.run_id].append(replace(approval, deliveries=told.get(approval.id, ())))
    return [(runs[id], by_run[id]) for id in ids]


RUNS = Rule("runs", store.due_runs, partial(delete_runs, archive=None), store.mark_runs)
RULES = (RUNS, retention.QUARANTINE)
