"""The rules of voting once more, as plainly as can be: by trying out every way in which votes could count."""

from dataclasses import dataclass, field
from itertools import permutations

from placet_approval.domain import Person
from placet_approval.policy.terms import Terms


@dataclass
class Naive:
    """An approval under way."""

    terms: Terms
    people: dict[str, Person]  # by handle
    away: dict[str, str]  # who is away: handle to that of the delegate
    requester: str | None
    ballots: list[tuple[str, str, str]] = field(default_factory=list)  # who, for whom, verdict

    def vote(self, handle: str, verdict: str) -> bool:
        """Whether a vote counts; if it does, it is cast."""
        if self.outcome != "pending" or not self._has_a_say(handle) or not self._may_say(handle):
            return False
        for voter in [handle, *sorted(who for who, delegate in self.away.items() if delegate == handle)]:
            if self._has_a_say(voter) and self._may_say(voter) and self._is_asked(voter):
                self.ballots.append((handle, voter, verdict))
                return True
        return False

    @property
    def outcome(self) -> str:
        ends = {self._end(ask) for ask in range(len(self.terms.asks))}
        return "rejected" if "rejected" in ends else "approved" if ends == {"approved"} else "pending"

    def _has_a_say(self, handle: str) -> bool:
        person = self.people[handle]
        return not person.disabled and ("approver" in person.roles or "admin" in person.roles)

    def _may_say(self, handle: str) -> bool:
        separated = handle == self.requester and self.terms.separate_requester is not False
        return not separated and all(handle not in (who, whom) for who, whom, _ in self.ballots)

    def _is_asked(self, handle: str) -> bool:
        return any(
            self._end(ask) == "pending" and self._fits(ask, self._stage(ask), handle)
            for ask in range(len(self.terms.asks))
        )

    def _end(self, ask: int) -> str:
        stages = self.terms.asks[ask].stages
        against = [
            voter
            for _, voter, verdict in self.ballots
            if verdict == "reject" and any(self._fits(ask, stage, voter) for stage in range(len(stages)))
        ]
        if len(against) >= self.terms.asks[ask].rejections:
            return "rejected"
        return "approved" if self._stage(ask) == len(stages) else "pending"

    def _stage(self, ask: int) -> int:
        """The stage that an ask has come to, from the first vote on."""
        stage, hand = 0, list[str]()
        stages = self.terms.asks[ask].stages
        for _, voter, verdict in self.ballots:
            if verdict == "approve":
                hand.append(voter)
            while stage < len(stages):
                counted = self._counted(ask, stage, hand)
                if counted is None:
                    break
                hand = [voter for voter in hand if voter not in counted]
                stage += 1
        return stage

    def _counted(self, ask: int, stage: int, hand: list[str]) -> list[str] | None:
        """Who makes a stage pass, the earliest votes first; ``None`` if it does not."""
        asked = self.terms.asks[ask].stages[stage]
        if asked.need == "any":
            for index, quorum in enumerate(asked.quorums):
                fit = [voter for voter in hand if index in self._fits(ask, stage, voter)]
                if len(fit) >= quorum.required:
                    return fit[: quorum.required]
            return None
        seats = [index for index, quorum in enumerate(asked.quorums) for _ in range(quorum.required)]
        counted: list[str] = []
        for voter in hand:
            group = [*counted, voter]
            if len(group) <= len(seats) and any(
                all(seat in self._fits(ask, stage, each) for each, seat in zip(group, seating, strict=True))
                for seating in permutations(seats, len(group))
            ):
                counted = group
        return counted if len(counted) == len(seats) else None

    def _fits(self, ask: int, stage: int, handle: str) -> set[int]:
        stages = self.terms.asks[ask].stages
        if stage >= len(stages):
            return set()
        person = self.people[handle]
        fits = set()
        for index, quorum in enumerate(stages[stage].quorums):
            named = [*quorum.approvers, *self.terms.asks[ask].escalated]
            mine = {f"user:{handle}", *(f"group:{g}" for g in person.groups), *(f"email:{m}" for m in person.emails)}
            if not quorum.approvers or mine & set(named):
                fits.add(index)
        return fits
