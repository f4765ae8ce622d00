"""Decisions on approvals with terms: votes, which the authoriser lets through or refuses in the order they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import (
    CLOCK,
    AlreadyVoted,
    Approval,
    ApprovalError,
    ContentChanged,
    Decision,
    NotAllowed,
    Person,
    TermsChanged,
    judge,
)
from placet_approval.handlers import asking
from placet_approval.policy.authoriser import Allowed, Case, Refused, authorise
from placet_approval.policy.people import Decider, subject
from placet_approval.policy.votes import Vote, tally
from placet_approval.store import approvals, delegations, identities, votes
from placet_contracts.events import Outcome
from placet_runtime.postgres import Connection

End = tuple[UUID, Outcome, str, str, str | None]  # id, outcome, by whom, channel, comment


@dataclass(frozen=True, slots=True)
class Facts:
    """What the authoriser is told of the world: who is who, for whom they stand in, who decided at other gates."""

    people: Mapping[str, Person]  # by actor
    away: Mapping[str, Sequence[Person]]  # by the delegate's subject
    before: Mapping[UUID, frozenset[str]]  # by approval

    def decider(self, actor: str, roles: frozenset[str], *, bootstrap: bool = False) -> Decider:
        """Somebody who would decide."""
        person = self.people.get(actor)
        away = () if person is None else self.away.get(subject(person), ())
        return Decider(actor, roles, person, bootstrap=bootstrap, away=away)

    def case(self, approval: Approval) -> Case:
        """An approval, as the authoriser sees it."""
        requester = {approval.requested_by, approval.requester}
        if (person := self.people.get(approval.requested_by or "")) is not None:
            requester.add(subject(person))
        return Case(
            terms=approval.asked,
            votes=approval.votes,
            requester=frozenset(who for who in requester if who is not None),
            before=self.before.get(approval.id, frozenset()),
        )


async def vote(
    deps: Deps, conn: Connection, decisions: Sequence[Decision]
) -> tuple[dict[Decision, Approval | ApprovalError], dict[UUID, Approval]]:
    """What each decision comes to, and the approvals that ended by it. Their rows stay locked until the commit."""
    locked = await approvals.lock(conn, sorted({decision.approval_id for decision in decisions}))
    given = await votes.of_approvals(conn, [approval.id for approval, _ in locked])
    now = {approval.id: replace(approval, votes=given.get(approval.id, ())) for approval, _ in locked}
    before = dict(now)
    late = {approval.id for approval, due in locked if due and approval.status == "pending"}
    facts = await look(deps, conn, list(now.values()), [decision.actor for decision in decisions])
    ends: dict[UUID, End] = {id: (id, now[id].on_deadline, CLOCK, CLOCK, None) for id in late}
    cast: list[tuple[UUID, int, Vote]] = []
    refused: dict[Decision, ApprovalError] = {}
    for decision in decisions:
        approval = now[decision.approval_id]
        if approval.status != "pending" or approval.id in ends:
            continue
        outcome = weigh(decision, approval, facts)
        if isinstance(outcome, ApprovalError):
            refused[decision] = outcome
        elif outcome is not None:
            cast.append((approval.id, len(approval.votes), outcome))
            now[approval.id] = approval = replace(approval, votes=(*approval.votes, outcome))
            if (end := tally(approval.asked, approval.votes).outcome) != "pending":
                ends[approval.id] = (approval.id, end, decision.actor, decision.channel, decision.comment)
    if cast:
        await votes.add(conn, cast)
        given = await votes.of_approvals(conn, list(now))
    ended = {approval.id: approval for approval in await approvals.end(conn, sorted(ends.values()))} if ends else {}
    done = {id: replace(ended.get(id, approval), votes=given.get(id, ())) for id, approval in now.items()}
    await asking.follow_votes(conn, before, [done[id] for id in {id for id, _, _ in cast} - ended.keys()])
    results = {decision: refused.get(decision) or _told(decision, done[decision.approval_id]) for decision in decisions}
    return results, {id: done[id] for id in ended}


async def look(deps: Deps, conn: Connection, asked_on: Sequence[Approval], actors: Sequence[str]) -> Facts:
    """Read what the authoriser must know to judge these actors on these approvals."""
    strict = [approval for approval in asked_on if approval.asked.distinct_gates]
    elsewhere = await votes.elsewhere(conn, [approval.run_id for approval in strict]) if strict else []
    asked = {approval.requested_by for approval in asked_on if approval.requested_by is not None}
    people = dict(await identities.resolve(conn, sorted({*actors, *asked, *(name for _, _, name in elsewhere)})))
    handles = {f"user:{person.handle}": subject(person) for actor in actors if (person := people.get(actor))}
    absences = await delegations.current(conn, list(handles)) if handles else []
    people |= await identities.resolve(conn, sorted({principal for _, principal in absences})) if absences else {}
    away: dict[str, list[Person]] = {}
    for delegate, principal in absences:
        if (person := people.get(principal)) is not None:
            away.setdefault(handles[delegate], []).append(person)
    before = {
        approval.id: frozenset(
            alias
            for run_id, gate, name in elsewhere
            if (run_id, gate) != (approval.run_id, approval.gate) and run_id == approval.run_id
            for alias in (name, *([subject(people[name])] if name in people else []))
        )
        for approval in strict
    }
    return Facts(people, away, before)


def weigh(decision: Decision, approval: Approval, facts: Facts) -> Vote | ApprovalError | None:
    """The vote that a decision is, why it is none, or ``None`` where it was cast before."""
    if decision.digest is not None and decision.digest != approval.digest:
        return ContentChanged(approval.id)
    decider = facts.decider(decision.actor, decision.roles, bootstrap=decision.bootstrap)
    if any(
        given.subject == decider.subject and given.principal is None and given.verdict == decision.verdict
        for given in approval.votes
    ):
        return None
    if decision.revision is not None and decision.revision != approval.revision:
        return TermsChanged(approval.id)
    answer = authorise(facts.case(approval), decider)
    if isinstance(answer, Refused):
        return AlreadyVoted(answer.why) if answer.reason == "voted" else NotAllowed(answer.reason, answer.why)
    return _vote(decision, decider, answer)


def _vote(decision: Decision, decider: Decider, allowed: Allowed) -> Vote:
    principal = allowed.principal
    return Vote(
        subject=decider.subject,
        verdict=decision.verdict,
        standing=allowed.standing,
        principal=None if principal is None else subject(principal),
        actor=decision.actor,
        on_behalf_of=None if principal is None else principal.handle,
        channel=decision.channel,
        comment=decision.comment,
    )


def _told(decision: Decision, approval: Approval) -> Approval | ApprovalError:
    """What a decision that was not refused comes to: the approval, where it counts, or how that had ended."""
    counted = any(vote.actor == decision.actor and vote.verdict == decision.verdict for vote in approval.votes)
    return approval if approval.status == "pending" or counted else judge(decision, approval)
