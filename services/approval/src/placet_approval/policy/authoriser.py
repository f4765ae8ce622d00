"""The authoriser: whether somebody may decide on an approval, for what it counts, and if not, why. Every channel's.

It looks at facts that are given to it, and at nothing else. Whoever decides needs a role to decide with, also where
they are named: that chooses among those who may decide, and lets nobody in. A person has one say on an approval: who
has voted, or has been stood in for, cannot vote again, by whatever way they come.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from placet_approval.policy.people import DECIDING, Decider, Person, may_decide, subject
from placet_approval.policy.terms import Ask, Terms, names
from placet_approval.policy.votes import Standing, Tally, Vote, tally
from placet_contracts.policies import Approver, Quorum

ANYBODY = "role:approver"  # whoever has that role, as an approver

Reason = Literal[
    "disabled",
    "no-role",
    "requester",
    "decided-before",
    "voted",
    "not-an-approver",
    "owner-unknown",
    "not-yet",
    "no-longer",
]

NEEDS_ROLE = "deciding needs the role approver"


@dataclass(frozen=True, slots=True)
class Allowed:
    """They may decide, for these stages; on behalf of ``principal`` where they stand in for somebody."""

    standing: tuple[Standing, ...]
    principal: Person | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """They may not, and ``why`` says it to them."""

    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """An approval, as the authoriser sees it.

    ``requester``: whoever asked for the run, as subjects; ``before``: subjects who decided at other gates of the run.
    """

    terms: Terms
    votes: Sequence[Vote] = ()
    requester: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


def authorise(case: Case, decider: Decider) -> Allowed | Refused:
    """Whether somebody may decide now."""
    if (barred := _barred(case, decider)) is not None:
        return barred
    now = tally(case.terms, case.votes)
    own = standing(case.terms, decider)
    if any(now.is_open(place) for place in own):
        return Allowed(own)
    for principal in sorted(decider.away, key=lambda person: person.handle):
        if _stands_in(case, principal):
            places = standing(case.terms, Decider(f"user:{principal.handle}", principal.roles, principal))
            if any(now.is_open(place) for place in places):
                return Allowed(places, principal)
    return _refuse(case.terms, now, decider, own)


def standing(terms: Terms, decider: Decider) -> tuple[Standing, ...]:
    """All that somebody counts for, in any stage: nothing without a role to decide with."""
    return tuple(_places(terms, decider)) if _has_role(decider) else ()


def asked_now(terms: Terms, votes: Sequence[Vote]) -> frozenset[str]:
    """Whom an approval asks now: those who can decide in a stage that is open; `ANYBODY` is all with the role approver.

    Of those who are named, it is they who have the role. Also those whose quorum is full: they can reject, and a vote
    of theirs may free the seat of somebody who counts elsewhere too.
    """
    found: set[str] = set()
    for number, at in enumerate(tally(terms, votes).progress):
        ask = terms.asks[number]
        for quorum in ask.stages[at.stage].quorums if at.outcome == "pending" else ():
            found |= _named(ask, quorum) or {ANYBODY}
    return frozenset(found)


def asked_as(person: Person) -> frozenset[str]:
    """As which approvers somebody is asked; none, if they may not decide at all."""
    if not may_decide(person):
        return frozenset()
    found = {f"user:{person.handle}", *(f"group:{name}" for name in person.groups)}
    return frozenset(found | {f"email:{address.lower()}" for address in person.emails} | {ANYBODY})


def is_named(terms: Terms, person: Person) -> bool:
    """Whether somebody is named, in any stage, or is in a group that is."""
    return any(_is(person, one) for one in names(terms))


def wanted(missing: Iterable[Approver]) -> str:
    """Approvers, in words."""
    return ", ".join(missing) or "anybody with the role approver"


def _places(terms: Terms, decider: Decider) -> Iterable[Standing]:
    for number, ask in enumerate(terms.asks):
        alone = _asks_one(ask)
        for position, stage in enumerate(ask.stages):
            quorums = tuple(
                index for index, quorum in enumerate(stage.quorums) if _fits(ask, quorum, decider, alone=alone)
            )
            if quorums:
                yield Standing(ask=number, stage=position, quorums=quorums)


def _fits(ask: Ask, quorum: Quorum, decider: Decider, *, alone: bool) -> bool:
    if not quorum.approvers:
        return decider.person is not None or alone
    return decider.person is not None and any(_is(decider.person, one) for one in _named(ask, quorum))


def _asks_one(ask: Ask) -> bool:
    """Whether one yes is enough: then it does not matter whose an API key without an owner is."""
    return len(ask.stages) == 1 and len(ask.stages[0].quorums) == 1 and ask.stages[0].quorums[0].required == 1


def _named(ask: Ask, quorum: Quorum) -> set[str]:
    """Whom a quorum names, and who was added to it."""
    return {*quorum.approvers, *ask.escalated} if quorum.approvers else set()


def _has_role(decider: Decider) -> bool:
    return bool(decider.roles & DECIDING)


def _is(person: Person, approver: Approver) -> bool:
    kind, _, name = approver.partition(":")
    match kind:
        case "user":
            return person.handle == name
        case "group":
            return name in person.groups
        case _:
            return name in {email.lower() for email in person.emails}


def _barred(case: Case, decider: Decider) -> Refused | None:
    """Why somebody may not decide on this, whatever they count for."""
    if decider.person is not None and decider.person.disabled:
        return Refused("disabled", f"{decider.person.handle} is disabled")
    if not _has_role(decider):
        return Refused("no-role", NEEDS_ROLE)
    if case.requester & {decider.subject, decider.actor} and _separates(case.terms, decider):
        return Refused("requester", "whoever asked for this run cannot decide on it")
    if case.terms.distinct_gates and decider.subject in case.before:
        return Refused("decided-before", "whoever decided at another gate of this run cannot decide at this one")
    if (vote := _vote_of(case.votes, decider.subject)) is not None:
        return Refused("voted", _had_a_say(vote, decider.subject))
    return None


def _separates(terms: Terms, decider: Decider) -> bool:
    return not decider.bootstrap if terms.separate_requester is None else terms.separate_requester


def _stands_in(case: Case, principal: Person) -> bool:
    """Whether somebody can be stood in for: as they could decide themselves, were they here."""
    who = subject(principal)
    return not (
        principal.disabled
        or (who in case.requester and case.terms.separate_requester is not False)
        or (case.terms.distinct_gates and who in case.before)
        or _vote_of(case.votes, who) is not None
    )


def _vote_of(votes: Sequence[Vote], who: str) -> Vote | None:
    return next((vote for vote in votes if who in vote.people), None)


def _had_a_say(vote: Vote, who: str) -> str:
    if vote.subject == who:
        return f"you have decided on it before, to {vote.verdict}" + (
            f", for {vote.on_behalf_of}" if vote.on_behalf_of else ""
        )
    return f"{vote.actor} has decided on it for you, to {vote.verdict}"


def _refuse(terms: Terms, now: Tally, decider: Decider, own: Sequence[Standing]) -> Refused:
    asked = {approver for each in now.progress for need in each.missing for approver in need.approvers}
    if any(now.progress[place.ask].stage < place.stage for place in own):
        return Refused("not-yet", f"it is not your turn yet: first it needs {wanted(sorted(asked))}")
    if own:
        return Refused("no-longer", "the stage that you could decide in is through")
    if decider.person is None:
        return Refused(
            "owner-unknown",
            f"{decider.actor} belongs to nobody who is known, and this needs {wanted(sorted(asked))}: "
            "give the key an owner",
        )
    return Refused("not-an-approver", f"{decider.person.handle} is not asked: it needs {wanted(sorted(asked))}")
