"""Deciding, and the clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from placet_approval.deps import Deps
from placet_approval.domain import Approval, ApprovalError, Decision, NotAllowed, judge
from placet_approval.handlers.reading import complete
from placet_approval.handlers.resolving import count, resolved
from placet_approval.handlers.voting import vote
from placet_approval.policy.authoriser import NEEDS_ROLE
from placet_approval.policy.people import DECIDING
from placet_approval.store import approvals
from placet_runtime.outbox import Emit
from placet_runtime.postgres import Connection

log = structlog.get_logger()

_EXPIRE = 500


@dataclass(frozen=True, slots=True)
class Decided:
    """What each decision came to, and the approvals that ended by them."""

    results: list[Approval | ApprovalError]
    ended: list[Approval]


async def decide(deps: Deps, decisions: Sequence[Decision]) -> list[Approval | ApprovalError]:
    """Resolve approvals, many at a time; for each decision the approval as it now is, or why it was refused.

    Where one approver is enough, the first decision wins; else it is a vote, and may leave the approval pending. What
    was decided is committed, with its event, before this returns. The same decision by the same actor again is no
    error. A decision that comes too late ends its approval as its deadline says.
    """
    async with deps.outbox.transaction("decide") as (conn, emit):
        decided = await decide_within(deps, conn, emit, decisions)
    tell(deps, decided)
    return decided.results


async def decide_within(deps: Deps, conn: Connection, emit: Emit, decisions: Sequence[Decision]) -> Decided:
    """The same in a transaction of somebody else's, who must `tell` once it is committed."""
    barred = {d: NotAllowed("no-role", NEEDS_ROLE) for d in decisions if not d.roles & DECIDING}
    able = [d for d in decisions if d not in barred]
    winners: dict[UUID, Approval] = {}
    for turn in _turns(able):
        if left := [decision for decision in turn if decision.approval_id not in winners]:
            winners |= {approval.id: approval for approval in await approvals.settle(conn, left)}
    losers = [d.approval_id for d in able if d.approval_id not in winners]
    known = winners | (await approvals.get(conn, losers) if losers else {})
    voting = [d for d in able if (at := known.get(d.approval_id)) is not None and _takes_votes(at)]
    voted: dict[Decision, Approval | ApprovalError] = {}
    if voting:
        voted, ended = await vote(deps, conn, voting)
        winners |= ended
    settled = list(winners.values())
    emit(resolved(deps, settled))
    last = known | {result.id: result for result in voted.values() if isinstance(result, Approval)}
    shown = {each.id: each for each in await complete(conn, last.values())}
    results = [barred.get(d) or voted.get(d) or judge(d, known.get(d.approval_id)) for d in decisions]
    return Decided([shown[result.id] if isinstance(result, Approval) else result for result in results], settled)


def tell(deps: Deps, decided: Decided) -> None:
    """Let those know who wait for it, and count."""
    count(decided.ended)
    voted_on = (result for result in decided.results if isinstance(result, Approval))
    deps.changed({approval.id for approval in (*decided.ended, *voted_on)})
    for approval in decided.ended:
        log.info("approval.resolved", approval_id=str(approval.id), outcome=approval.status, by=approval.resolved_by)


def _takes_votes(approval: Approval) -> bool:
    """Whether the authoriser must look: at its terms, or at who somebody is, as its requester is known."""
    return approval.terms is not None or (approval.status == "pending" and approval.requester is not None)


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
