"""Deciding, and the clock."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from placet_approval.deps import Deps
from placet_approval.domain import Approval, ApprovalError, Decision, judge
from placet_approval.handlers.resolving import count, resolved
from placet_approval.store import approvals

log = structlog.get_logger()

_EXPIRE = 500


async def decide(deps: Deps, decisions: Sequence[Decision]) -> list[Approval | ApprovalError]:
    """Resolve approvals, many at a time; for each decision the approval as it now is, or why it was refused.

    The first decision on an approval wins, and is committed with its event before this returns. The same decision by
    the same actor again is no error. A decision that comes too late ends its approval as expired.
    """
    async with deps.outbox.transaction() as (conn, emit):
        settled = await approvals.settle(conn, decisions)
        emit(resolved(deps, settled))
        winners = {approval.id: approval for approval in settled}
        losers = [d.approval_id for d in decisions if d.approval_id not in winners]
        known = winners | (await approvals.get(conn, losers) if losers else {})
        told = [approval.id for approval in known.values() if approval.notified]
        deliveries = await approvals.deliveries(conn, told) if told else {}
    count(settled)
    deps.changed(winners)
    for approval in settled:
        log.info("approval.resolved", approval_id=str(approval.id), outcome=approval.status, by=approval.resolved_by)
    known = {id: replace(approval, deliveries=deliveries.get(id, ())) for id, approval in known.items()}
    return [judge(d, known.get(d.approval_id)) for d in decisions]


async def expire(deps: Deps) -> None:
    """End approvals whose deadline has passed."""
    while True:
        async with deps.outbox.transaction() as (conn, emit):
            expired = await approvals.expire(conn, _EXPIRE)
            emit(resolved(deps, expired))
        count(expired)
        deps.changed(approval.id for approval in expired)
        if len(expired) < _EXPIRE:
            return
