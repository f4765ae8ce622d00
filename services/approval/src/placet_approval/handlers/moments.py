"""Reminders and escalations, as they come due."""

from dataclasses import replace

from pydantic_core import from_json

from placet_approval.deps import Deps
from placet_approval.domain import CLOCK, Approval, ChangeKind
from placet_approval.handlers import asking
from placet_approval.policy.terms import escalate
from placet_approval.store import approvals, moments, votes
from placet_approval.store.moments import Moment
from placet_contracts.events import ApprovalReminded

_MOST = 200


async def pass_by(deps: Deps) -> None:
    """Do what is due, each once. What is due on an approval that has ended, or is about to, tells nobody."""
    while await _some(deps) == _MOST:
        pass


async def _some(deps: Deps) -> int:
    async with deps.outbox.transaction() as (conn, emit):
        due = await moments.claim(conn, _MOST)
        ids = sorted({moment.approval_id for moment in due})
        locked = await approvals.lock(conn, ids) if due else []
        pending = {approval.id: approval for approval, late in locked if approval.status == "pending" and not late}
        coming = [moment for moment in due if moment.approval_id in pending]
        terms = {id: approval.asked for id, approval in pending.items()}
        for moment in coming:
            if moment.kind == "escalation":
                terms[moment.approval_id] = escalate(terms[moment.approval_id], moment.source, moment.approvers)
        changed = [(id, asked, 0) for id, asked in terms.items() if asked != pending[id].terms]
        if changed:
            given = await votes.of_approvals(conn, [id for id, _, _ in changed])
            escalated = await approvals.set_terms(conn, changed)
            await asking.follow(conn, [replace(each, votes=given.get(each.id, ())) for each in escalated])
        if coming:
            await votes.changed(conn, [(m.approval_id, _kind(m), CLOCK, _detail(m), None) for m in coming])
        emit(_event(moment, pending[moment.approval_id]) for moment in coming if moment.destinations)
    return len(due)


def _kind(moment: Moment) -> ChangeKind:
    return "escalated" if moment.kind == "escalation" else "reminded"


def _detail(moment: Moment) -> str:
    if moment.kind == "escalation":
        return f"{', '.join(moment.approvers)} may decide too"
    count = len(moment.destinations)
    return "nobody to send it to" if not count else "1 message" if count == 1 else f"{count} messages"


def _event(moment: Moment, approval: Approval) -> ApprovalReminded:
    return ApprovalReminded(
        approval_id=approval.id,
        run_id=approval.run_id,
        workflow=approval.workflow,
        version=approval.version,
        gate=approval.gate,
        title=approval.title,
        message=approval.message,
        context=None if approval.context is None else from_json(approval.context),
        destinations=list(moment.destinations),
        requested_by=approval.requested_by,
        opened_at=approval.opened_at,
        expires_at=approval.expires_at,
        number=moment.position,
        kind=moment.kind,
    )
