"""What the demo's company has decided in the last thirty days, made up: the same each time, but for the days."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from uuid_utils.compat import uuid7

from placet_approval.domain import CLOCK, Person, Status, StoredPolicy, Verdict
from placet_approval.policy.authoriser import Allowed, Case, authorise
from placet_approval.policy.people import Decider, subject
from placet_approval.policy.terms import Terms, combine
from placet_approval.policy.votes import Vote, tally
from placet_approval.store import approvals, identities, policies
from placet_approval.store.approvals import Opening
from placet_contracts.digest import review_digest
from placet_contracts.events import ApprovalRequested
from placet_runtime.postgres import Connection
from placet_standalone.demo import cases, store
from placet_standalone.demo.cases import Kind

_DAYS = 30
_SINCE = timedelta(minutes=30)
_SEED = 20
_OUTCOMES: Mapping[Status, int] = {"approved": 80, "rejected": 12, "expired": 4, "cancelled": 4}
_CHANNELS = ("inbox", "inbox", "inbox", "api")
_FAILURE = {"type": "TimeoutError", "message": "the payment provider did not answer within 10 s", "details": []}


@dataclass(frozen=True, slots=True)
class Then:
    """Something that was asked for, and how it went: its last vote, or something else, has ended it."""

    kind: Kind
    request: ApprovalRequested
    terms: Terms
    requester: str | None  # as a subject
    opened_at: datetime
    ended_at: datetime
    outcome: Status
    votes: Sequence[Vote]
    fails: bool

    @property
    def end(self) -> tuple[str, str, str | None]:
        """By whom, through which channel, with which comment."""
        match self.outcome:
            case "expired":
                return CLOCK, CLOCK, None
            case "cancelled":
                return self.request.requested_by or "user:fay", "run", None
            case _:
                last = self.votes[-1]
                return last.actor, last.channel, last.comment


async def write(conn: Connection, now: datetime) -> None:
    """Make up the past, until a while before ``now``, in the caller's transaction: a statement for each kind of
    thing that happened, with the audit's entries of them."""
    users = await identities.every_user(conn)
    crowd = await identities.resolve(conn, [user.actor for user in users])
    deployed = await policies.in_force(conn)
    dice = random.Random(_SEED)
    rolled = [_happen(dice, at, crowd, deployed) for at in _moments(dice, now)]
    past = [each for each in rolled if each.ended_at < now - _SINCE]
    await store.begin_earlier(conn, now - timedelta(days=_DAYS + 1))
    await approvals.open_approvals(conn, [Opening(each.request, each.terms, each.requester) for each in past])
    await store.set_times(conn, [_times(each) for each in past])
    await store.tell(conn, [(each.request.approval_id, told) for each in past for told in _told(each)])
    await store.view(conn, [row for each in past for row in _views(dice, each)])
    await store.vote(conn, [row for each in past for row in _votes(each)])
    await store.resolve(conn, [(each.request.approval_id, each.outcome, *each.end, each.ended_at) for each in past])
    await store.add_runs(conn, [_run(each) for each in past])
    await store.add_steps(conn, [_step(each) for each in past])


def _moments(dice: random.Random, now: datetime) -> Iterator[datetime]:
    """When somebody asked for something: on working days, in working hours."""
    for days in range(_DAYS, 0, -1):
        day = (now - timedelta(days=days)).replace(hour=8, minute=0, second=0, microsecond=0)
        for _ in range(dice.randint(9, 17) if day.weekday() < 5 else dice.randint(0, 2)):
            yield day + timedelta(seconds=dice.randint(0, 9 * 3600))


def _happen(dice: random.Random, at: datetime, crowd: Mapping[str, Person], deployed: Sequence[StoredPolicy]) -> Then:
    kind, input = cases.roll(dice)
    asked = kind.ask(input)
    plain = input.model_dump(mode="json")
    run_id = f"{kind.workflow}-{dice.randrange(16**8):08x}"
    what: dict[str, Any] = {
        "run_id": run_id,
        "workflow": kind.workflow,
        "version": kind.version,
        "gate": asked.gate,
        "title": asked.title,
        "message": asked.message,
        "context": asked.context,
        "input": plain,
    }
    request = ApprovalRequested(
        approval_id=uuid7(),
        digest=review_digest(**what),
        expires_in=asked.expires_in,
        requested_by=dice.choice(kind.by),
        policy=asked.policy,
        **what,
    )
    about = [each for each in deployed if each.policy.is_about(kind.workflow, kind.version, asked.gate)]
    terms = combine(asked.policy, [each.named for each in about], plain)
    person = crowd.get(request.requested_by or "")
    [outcome] = dice.choices(list(_OUTCOMES), list(_OUTCOMES.values()))
    then = Then(
        kind=kind,
        request=request,
        terms=terms,
        requester=None if person is None else subject(person),
        opened_at=at,
        ended_at=at + timedelta(seconds=asked.expires_in or 0),
        outcome=outcome,
        votes=(),
        fails=outcome == "approved" and dice.random() < 0.03,
    )
    return then if outcome == "expired" else _end(dice, then, crowd.values())


def _end(dice: random.Random, then: Then, crowd: Iterable[Person]) -> Then:
    """Let people decide, or somebody cancel it, in a time that is like them."""
    taken = then.kind.takes * dice.lognormvariate(0, 0.9)
    taken = min(taken, timedelta(seconds=then.request.expires_in or 0) * 0.95)
    then = replace(then, ended_at=then.opened_at + taken)
    if then.outcome == "cancelled":
        return then
    votes = tuple(_deciding(dice, then, list(crowd)))
    return replace(
        then, votes=[replace(vote, at=then.opened_at + taken * (n / len(votes))) for n, vote in enumerate(votes, 1)]
    )


def _deciding(dice: random.Random, then: Then, crowd: Sequence[Person]) -> Iterator[Vote]:
    """Votes of those who may, until they have decided."""
    verdict: Verdict = "approve" if then.outcome == "approved" else "reject"
    refusals = cases.REFUSALS.get(then.kind.workflow, cases.REFUSED)
    cast: list[Vote] = []
    while tally(then.terms, cast).outcome == "pending":
        for person in dice.sample(crowd, len(crowd)):
            requester = frozenset({then.requester} if then.requester else ())
            decider = Decider(f"user:{person.handle}", person.roles, person)
            answer = authorise(Case(then.terms, cast, requester), decider)
            if isinstance(answer, Allowed):
                comment = dice.choice(cases.AGREED if verdict == "approve" else refusals)
                cast.append(
                    Vote(
                        subject=decider.subject,
                        verdict=verdict,
                        standing=answer.standing,
                        actor=decider.actor,
                        channel=dice.choice(_CHANNELS),
                        comment=comment,
                    )
                )
                break
        else:
            raise AssertionError(f"nobody may decide on {then.request.title}")
    yield from cast


def _times(then: Then) -> tuple[Any, ...]:
    seconds = then.request.expires_in
    return then.request.approval_id, then.opened_at, then.opened_at + timedelta(seconds=seconds) if seconds else None


def _told(then: Then) -> list[str]:
    handles = {vote.actor.removeprefix("user:") for vote in then.votes} or {"ana", "dara"}
    return [f"{handle}@alder.example" for handle in sorted(handles)]


def _views(dice: random.Random, then: Then) -> Iterator[tuple[UUID, str, str, datetime]]:
    """Who has opened it before they voted: most, as some decide by its title."""
    for vote in then.votes:
        if vote.at is not None and dice.random() < 0.85:
            looked = then.opened_at + (vote.at - then.opened_at) * dice.uniform(0.6, 0.98)
            yield then.request.approval_id, vote.subject, vote.actor, looked


def _step(then: Then) -> tuple[str, str, datetime, datetime]:
    began = then.opened_at - timedelta(milliseconds=300)
    return then.request.run_id, then.kind.step, began, began + timedelta(milliseconds=180)


def _votes(then: Then) -> Iterator[tuple[Any, ...]]:
    for position, vote in enumerate(then.votes):
        standing = to_json([each.model_dump(by_alias=True) for each in vote.standing]).decode()
        yield (
            *(then.request.approval_id, position, vote.subject, vote.actor, vote.verdict, standing, vote.channel),
            *(vote.comment, vote.at),
        )


def _run(then: Then) -> tuple[Any, ...]:
    request = then.request
    goes_on = then.outcome == "approved" or then.kind.resumes
    status = (
        "cancelled"
        if then.outcome == "cancelled"
        else "failed"
        if then.fails
        else "completed"
        if goes_on
        else "rejected"
    )
    output = (
        to_json(then.kind.gives if then.outcome == "approved" else "not sent").decode()
        if status == "completed"
        else None
    )
    cancelled_by = then.end[0] if then.outcome == "cancelled" else None
    return (
        *(request.run_id, request.workflow, request.version, status, to_json(request.input).decode(), output),
        *(to_json(_FAILURE).decode() if then.fails else None, request.requested_by, cancelled_by),
        *(then.opened_at - timedelta(milliseconds=400), then.ended_at + timedelta(seconds=1)),
    )
