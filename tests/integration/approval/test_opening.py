"""An approval that opens while its run is being cancelled."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from placet_approval.domain import Approval
from placet_approval.store import approvals, runs
from placet_approval.store.approvals import Opening
from placet_contracts.events import ApprovalRequested, RunChanged
from placet_runtime import postgres


async def test_a_cancellation_under_way_is_waited_for(database_url: str) -> None:
    """An approval that asks while its run's cancellation is about to commit opens as cancelled, never as pending."""
    request = ApprovalRequested(
        approval_id=uuid4(), run_id="run", workflow="w", version=1, gate="legal", input=None, digest="sha256:00"
    )
    change = RunChanged(run_id="run", seq=1, status="running", workflow="w", version=1, at=datetime.now(UTC))
    async with postgres.connect(database_url, "approval", size=3) as pool:
        async with pool.acquire() as conn:
            await runs.follow(conn, [change])
        async with pool.acquire() as cancelling, pool.acquire() as opening:
            async with cancelling.transaction():
                await runs.cancel(cancelling, [("run", "key:ana")])
                assert await approvals.cancel_of_runs(cancelling, [("run", "key:ana")]) == []
                opened = asyncio.create_task(_open(opening, request))
                await _blocked(pool)
            [approval] = await opened

    assert (approval.status, approval.resolved_by) == ("cancelled", "key:ana")


async def _open(conn: postgres.Connection, request: ApprovalRequested) -> list[Approval]:
    async with conn.transaction():
        await runs.pause(conn, [request])
        return await approvals.open_approvals(conn, [Opening(request)])


async def _blocked(pool: postgres.Pool) -> None:
    """Until a statement waits for a lock."""
    async with asyncio.timeout(10):
        while not await pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            await asyncio.sleep(0.01)
