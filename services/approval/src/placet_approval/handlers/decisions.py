"""Deciding, and the clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

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
    async with deps.outbox.transaction("decide") as (conn, emit):
        winners: dict[UUID, Approval] = {}
        for turn in _turns(decisions):
            if left := [decision for decision in turn if decision.approval_id not in winners]:
                winners |= {approval.id: approval for approval in await approvals.settle(conn, left)}
        settled = list(winners.values())
        emit(resolved(deps, settled))
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


def _turns(decisions: Sequence[Decision]) -> list[list[Decision]]:
    """Decisions in the order in which they came, such that no two of one turn are on the same approval."""
    turns: list[list[Decision]] = []
    seen: Counter[UUID] = Counter()
    for decision in decisions:
        turn = seen[decision.approval_id]
        seen[decision.approval_id] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(decision)
    return turns


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
