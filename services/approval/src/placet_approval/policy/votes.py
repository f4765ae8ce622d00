"""What a vote counts for, and what votes come to. Pure, and the same however often it is asked.

A vote is kept with its *standing*: for what it could count when it was cast. So nobody's leaving a group later takes a
vote back, and a tally needs no look at who people are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from placet_approval.policy.terms import Ask, Terms
from placet_contracts.base import Model
from placet_contracts.policies import Approver, Stage

Outcome = Literal["pending", "approved", "rejected"]


class Standing(Model):
    """For what somebody counts: quorums of one stage of one ask, all by number."""

    ask: int
    stage: int
    quorums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's decision. ``subject`` is who decided, ``principal`` for whom, where that is another."""

    subject: str
    verdict: Literal["approve", "reject"]
    standing: tuple[Standing, ...]
    principal: str | None = None
    actor: str = ""
    on_behalf_of: str | None = None  # the principal's handle
    channel: str = ""
    comment: str | None = None
    at: datetime | None = None

    @property
    def people(self) -> set[str]:
        """Who has had their say by it."""
        return {self.subject} if self.principal is None else {self.subject, self.principal}


@dataclass(frozen=True, slots=True)
class Missing:
    """What a stage still needs: so many of these people (none named: of all who have the role approver)."""

    approvers: tuple[Approver, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one ask is. ``stage`` is the one that is asked now, by number."""

    source: str
    outcome: Outcome
    stage: int
    stages: int
    name: str | None = None
    need: Literal["all", "any"] = "all"  # of what is missing
    missing: tuple[Missing, ...] = ()
    rejected: int = 0
    rejections: int = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """What votes come to."""

    outcome: Outcome
    progress: tuple[Progress, ...] = field(default=())

    def is_open(self, place: Standing) -> bool:
        """Whether a stage of an ask is asked now."""
        ask = self.progress[place.ask]
        return ask.outcome == "pending" and ask.stage == place.stage


def tally(terms: Terms, votes: Sequence[Vote]) -> Tally:
    """What votes come to, in the order in which they were cast. One more never undoes what was met."""
    progress = tuple(_progress(number, ask, votes) for number, ask in enumerate(terms.asks))
    outcomes = {each.outcome for each in progress}
    outcome: Outcome = "pending"
    if "rejected" in outcomes:
        outcome = "rejected"
    elif outcomes <= {"approved"}:
        outcome = "approved"
    return Tally(outcome, progress)


def given(terms: Terms, votes: Sequence[Vote]) -> tuple[int, int]:
    """How many approve so far, and of how many: in the ask that needs the most still, over all its stages."""
    counts = [_given(ask, at) for ask, at in zip(terms.asks, tally(terms, votes).progress, strict=True)]
    return max(counts, key=lambda count: count[1] - count[0])


def _given(ask: Ask, at: Progress) -> tuple[int, int]:
    needs = [_fewest(stage) for stage in ask.stages]
    if at.outcome != "pending":
        return (sum(needs) if at.outcome == "approved" else sum(needs[: at.stage])), sum(needs)
    left = [missing.count for missing in at.missing]
    if at.need == "any":  # the quorum that is nearest; none of them is met, so all are missing some
        nearest = min(range(len(left)), key=left.__getitem__)
        needs[at.stage] = ask.stages[at.stage].quorums[nearest].required
    return sum(needs[: at.stage + 1]) - (min(left) if at.need == "any" else sum(left)), sum(needs)


def _fewest(stage: Stage) -> int:
    """How many people it takes to meet a stage."""
    counts = [quorum.required for quorum in stage.quorums]
    return min(counts) if stage.need == "any" else sum(counts)


def _progress(number: int, ask: Ask, votes: Sequence[Vote]) -> Progress:
    ballots = [_ballot(vote, number) for vote in votes]
    rejected = sum(vote.verdict == "reject" and bool(places) for vote, places in zip(votes, ballots, strict=True))
    at = Progress(ask.source, "pending", 0, len(ask.stages), rejected=rejected, rejections=ask.rejections)
    if rejected >= ask.rejections:
        return replace(at, outcome="rejected")
    if ask.approved_by is not None:
        return replace(at, outcome="approved", stage=len(ask.stages))
    pool: list[dict[int, tuple[int, ...]]] = []
    stage = 0
    for vote, places in zip(votes, ballots, strict=True):
        if vote.verdict == "approve" and places:
            pool.append(places)
        while stage < len(ask.stages) and (spent := _spent(ask.stages[stage], stage, pool)) is not None:
            pool = [ballot for position, ballot in enumerate(pool) if position not in spent]
            stage += 1
    if stage == len(ask.stages):
        return replace(at, outcome="approved", stage=stage)
    asked = ask.stages[stage]
    needs = _needs(asked, stage, pool)
    missing = tuple(
        Missing((*quorum.approvers, *ask.escalated) if quorum.approvers else (), need)
        for quorum, need in zip(asked.quorums, needs, strict=True)
        if need
    )
    return replace(at, stage=stage, name=asked.name, need=asked.need, missing=missing)


def _ballot(vote: Vote, ask: int) -> dict[int, tuple[int, ...]]:
    """Quorums that a vote can count for in one ask, by stage."""
    found: dict[int, tuple[int, ...]] = {}
    for place in vote.standing:
        if place.ask == ask:  # somebody may be named in a stage, and count for "anybody" there too
            found[place.stage] = tuple(sorted({*found.get(place.stage, ()), *place.quorums}))
    return found


def _spent(stage: Stage, number: int, pool: Sequence[dict[int, tuple[int, ...]]]) -> set[int] | None:
    """The votes that meet a stage, by their places in the pool; ``None`` if it is not met."""
    if stage.need == "any":
        for quorum, wanted in enumerate(stage.quorums):
            fit = [place for place, ballot in enumerate(pool) if quorum in ballot.get(number, ())]
            if len(fit) >= wanted.required:
                return set(fit[: wanted.required])
        return None
    seats = _seated(stage, number, pool)
    return set(seats) if len(seats) == sum(quorum.required for quorum in stage.quorums) else None


def _needs(stage: Stage, number: int, pool: Sequence[dict[int, tuple[int, ...]]]) -> list[int]:
    """How many each quorum of a stage still needs."""
    if stage.need == "any":
        fits = [sum(quorum in ballot.get(number, ()) for ballot in pool) for quorum in range(len(stage.quorums))]
    else:
        seats = list(_seated(stage, number, pool).values())
        fits = [seats.count(quorum) for quorum in range(len(stage.quorums))]
    return [max(0, quorum.required - fit) for quorum, fit in zip(stage.quorums, fits, strict=True)]


def _seated(stage: Stage, number: int, pool: Sequence[dict[int, tuple[int, ...]]]) -> dict[int, int]:
    """As many votes as can count at once, each for one quorum of a stage: place in the pool to quorum.

    Earlier votes keep their seats, if in another quorum, as later ones find theirs (augmenting paths).
    """
    seats: dict[int, int] = {}

    def seat(place: int, tried: set[int]) -> bool:
        for quorum in pool[place].get(number, ()):
            if quorum in tried:
                continue
            tried.add(quorum)
            taken = [other for other, at in seats.items() if at == quorum]
            if len(taken) < stage.quorums[quorum].required or any(seat(other, tried) for other in taken):
                seats[place] = quorum
                return True
        return False

    for place in range(len(pool)):
        seat(place, set())
    return seats
