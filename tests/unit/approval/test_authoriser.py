"""Who may decide, and what votes come to: against a model that tries everything out, and in words."""

from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.naive import Naive
from placet_approval.domain import Person, Role
from placet_approval.policy.authoriser import Allowed, Case, Refused, asked_as, asked_now, authorise
from placet_approval.policy.people import Decider
from placet_approval.policy.terms import AUTHOR, PLAIN, Ask, Terms, escalate, reassign
from placet_approval.policy.votes import Vote, tally
from placet_approval.policy.votes import given as given_of
from placet_contracts.policies import Quorum, Stage

HANDLES = ("ana", "bo", "cy", "dee", "eve", "flo")
GROUPS = ("finance", "legal", "heads")


def person(handle: str, *groups: str, roles: tuple[Role, ...] = ("approver",), disabled: bool = False) -> Person:
    """Somebody, with a mailbox."""
    id = uuid5(UUID(int=0), handle)
    mail = frozenset({f"{handle}@example.com"})
    return Person(id, handle, handle.title(), mail, frozenset(groups), frozenset(roles), disabled)


def stage(*approvers: str, required: int = 1) -> Stage:
    return Stage(quorums=(Quorum(approvers=approvers, required=required),))


def terms(*stages: Stage, rejections: int = 1) -> Terms:
    return Terms(asks=(Ask(source=AUTHOR, stages=stages, rejections=rejections),))


def decider(who: Person, *away: Person) -> Decider:
    return Decider(f"user:{who.handle}", who.roles, who, away=away)


def cast(terms: Terms, *votes: tuple[Person, str], requester: frozenset[str] = frozenset()) -> tuple[Vote, ...]:
    """Votes, each of which must be allowed."""
    given: tuple[Vote, ...] = ()
    for who, verdict in votes:
        allowed = authorise(Case(terms, given, requester), decider(who))
        assert isinstance(allowed, Allowed), allowed
        given = (*given, Vote(str(who.id), verdict, allowed.standing))  # type: ignore[arg-type]
    return given


def why(case: Case, who: Decider) -> str:
    """Why somebody is refused."""
    refused = authorise(case, who)
    assert isinstance(refused, Refused)
    return refused.reason


approvers = st.sampled_from(
    [f"user:{handle}" for handle in HANDLES] + [f"group:{g}" for g in GROUPS] + ["email:ana@example.com"]
)


@st.composite
def quorums(draw: st.DrawFn) -> Quorum:
    named = tuple(draw(st.lists(approvers, max_size=3, unique=True)))
    most = 3 if not named or any(name.startswith("group:") for name in named) else len(named)
    return Quorum(approvers=named, required=draw(st.integers(1, most)))


stages = st.builds(
    Stage,
    need=st.sampled_from(["all", "any"]),
    quorums=st.lists(quorums(), min_size=1, max_size=2).map(tuple),
)
asks = st.builds(
    Ask,
    source=st.just(AUTHOR),
    stages=st.lists(stages, min_size=1, max_size=3).map(tuple),
    rejections=st.integers(1, 2),
    escalated=st.lists(approvers, max_size=1).map(tuple),
)
people = st.tuples(
    *(
        st.builds(
            person,
            st.just(handle),
            *[st.sampled_from([*GROUPS, "nobody"])] * 2,
            roles=st.sampled_from([("approver",), ("admin",), ("viewer",)]),
            disabled=st.sampled_from([False, False, False, True]),
        )
        for handle in HANDLES
    )
)


@settings(max_examples=400, deadline=None)
@given(
    st.builds(
        Terms,
        asks=st.lists(asks, min_size=1, max_size=2).map(tuple),
        separate_requester=st.sampled_from([None, True, False]),
    ),
    people,
    st.dictionaries(st.sampled_from(HANDLES), st.sampled_from(HANDLES), max_size=2),
    st.sampled_from([None, *HANDLES]),
    st.lists(
        st.tuples(st.sampled_from(HANDLES), st.sampled_from(["approve", "approve", "approve", "reject"])), max_size=12
    ),
)
def test_the_authoriser_is_as_a_model_that_tries_everything(
    terms: Terms,
    people: tuple[Person, ...],
    away: dict[str, str],
    requester: str | None,
    attempts: list[tuple[str, str]],
) -> None:
    """The same votes count, for the same people, with the same outcome, whatever is asked and whoever comes."""
    known = {each.handle: each for each in people}
    model = Naive(terms, known, away, requester)
    asked = frozenset() if requester is None else frozenset({str(known[requester].id)})
    votes: tuple[Vote, ...] = ()
    for handle, verdict in attempts:
        absent = [known[who] for who, delegate in away.items() if delegate == handle]
        if tally(terms, votes).outcome == "pending":
            allowed = authorise(Case(terms, votes, asked), decider(known[handle], *absent))
            assert isinstance(allowed, Allowed) == model.vote(handle, verdict)
            if isinstance(allowed, Allowed):
                principal = allowed.principal
                whom = None if principal is None else str(principal.id)
                assert model.ballots[-1][1] == (handle if principal is None else principal.handle)
                votes = (*votes, Vote(str(known[handle].id), verdict, allowed.standing, whom))  # type: ignore[arg-type]
        assert tally(terms, votes).outcome == model.outcome
    said = [who for vote in votes for who in vote.people]
    assert len(said) == len(set(said))


@settings(max_examples=100, deadline=None)
@given(st.lists(asks, min_size=2, max_size=3), people, st.lists(st.sampled_from(HANDLES), max_size=8, unique=True))
def test_a_policy_of_the_deployment_never_loosens(
    asked: list[Ask], people: tuple[Person, ...], approving: list[str]
) -> None:
    """What is approved with it is approved without it: each ask is met by itself."""
    known = {each.handle: each for each in people}
    together = Terms(asks=tuple(asked), separate_requester=False)
    votes: tuple[Vote, ...] = ()
    for handle in approving:
        allowed = authorise(Case(together, votes), decider(known[handle]))
        if isinstance(allowed, Allowed):
            votes = (*votes, Vote(str(known[handle].id), "approve", allowed.standing))
    if tally(together, votes).outcome == "approved":
        for number, ask in enumerate(asked):
            alone = Terms(asks=(ask,))
            mine = [
                Vote(
                    v.subject, v.verdict, tuple(s.model_copy(update={"ask": 0}) for s in v.standing if s.ask == number)
                )
                for v in votes
            ]
            assert tally(alone, mine).outcome == "approved"


ANA, BO, CY = person("ana", "finance"), person("bo", "finance", "legal"), person("cy")


def test_two_of_three_are_two_different_people() -> None:
    """The same person twice is one."""
    asked = terms(stage("user:ana", "user:bo", "user:cy", required=2))
    votes = cast(asked, (ANA, "approve"))

    assert tally(asked, votes).outcome == "pending"
    assert why(Case(asked, votes), decider(ANA)) == "voted"
    assert tally(asked, cast(asked, (ANA, "approve"), (CY, "approve"))).outcome == "approved"


def test_stages_come_one_after_the_other() -> None:
    """Who is asked later must wait; whoever decided in one stage does not count in the next."""
    asked = terms(stage("group:finance"), stage("group:legal"))

    assert why(Case(asked), decider(person("dee", "legal"))) == "not-yet"
    votes = cast(asked, (BO, "approve"))
    assert why(Case(asked, votes), decider(BO)) == "voted"
    assert why(Case(asked, votes), decider(ANA)) == "no-longer"
    assert tally(asked, (*votes,)).progress[0].stage == 1


def test_all_branches_need_different_people() -> None:
    """Somebody in both groups sits where the other cannot."""
    both = Stage(quorums=(Quorum(approvers=("group:finance",)), Quorum(approvers=("group:legal",))))
    asked = terms(both)

    assert tally(asked, cast(asked, (BO, "approve"))).outcome == "pending"
    assert tally(asked, cast(asked, (BO, "approve"), (ANA, "approve"))).outcome == "approved"


def test_the_requester_cannot_decide_unless_the_author_says_so() -> None:
    """Nor under an alias; the bootstrap key, which stands for nobody, can unless it is forbidden."""
    ask = PLAIN.asks
    mine = frozenset({str(ANA.id), "key:ana-ci"})

    assert why(Case(PLAIN, requester=mine), decider(ANA)) == "requester"
    assert why(Case(PLAIN, requester=mine), Decider("key:other", ANA.roles, ANA)) == "requester"
    assert isinstance(authorise(Case(Terms(asks=ask, separate_requester=False), (), mine), decider(ANA)), Allowed)
    bootstrap = Decider("key:admin", frozenset({"admin"}), bootstrap=True)
    own = frozenset({"key:admin"})
    assert isinstance(authorise(Case(PLAIN, requester=own), bootstrap), Allowed)
    assert why(Case(Terms(asks=ask, separate_requester=True), (), own), bootstrap) == "requester"


def test_a_delegate_counts_for_whom_they_stand_in() -> None:
    """Once for both of them, and never for the requester."""
    asked = terms(stage("user:ana", "user:cy", required=2))
    dee = person("dee")
    allowed = authorise(Case(asked), decider(dee, ANA))

    assert isinstance(allowed, Allowed)
    assert allowed.principal == ANA
    votes = (Vote(str(dee.id), "approve", allowed.standing, str(ANA.id), on_behalf_of="ana", actor="user:dee"),)
    assert why(Case(asked, votes), decider(ANA)) == "voted"
    assert why(Case(asked, votes), decider(dee, CY)) == "voted"
    assert why(Case(asked, (), frozenset({str(ANA.id)})), decider(dee, ANA)) == "not-an-approver"
    assert why(Case(asked, (), frozenset({str(dee.id)})), decider(dee, ANA)) == "requester"


def test_a_key_without_an_owner_is_no_second_person() -> None:
    """It may be anybody's, also of one who has decided already. Where one yes is enough, that does not matter."""
    key = Decider("key:ci", frozenset({"approver"}))

    assert isinstance(authorise(Case(PLAIN), key), Allowed)
    assert why(Case(terms(stage(required=2))), key) == "owner-unknown"
    assert why(Case(terms(stage("user:ana"))), key) == "owner-unknown"


def test_rejections_end_it_at_their_number() -> None:
    """One is enough, unless it says otherwise."""
    one, two = terms(stage(required=2)), terms(stage(required=3), rejections=2)

    assert tally(one, cast(one, (ANA, "reject"))).outcome == "rejected"
    assert tally(two, cast(two, (ANA, "reject"))).outcome == "pending"
    assert tally(two, cast(two, (ANA, "reject"), (BO, "approve"), (CY, "reject"))).outcome == "rejected"


def test_who_decided_at_another_gate_cannot_decide_here() -> None:
    """If it says so."""
    before = frozenset({str(ANA.id)})

    assert isinstance(authorise(Case(PLAIN, before=before), decider(ANA)), Allowed)
    assert why(Case(PLAIN.model_copy(update={"distinct_gates": True}), before=before), decider(ANA)) == "decided-before"


def test_escalation_and_reassignment_change_who_is_asked() -> None:
    """The one adds people, the other puts one in another's place."""
    asked = terms(stage("user:ana"))

    assert why(Case(asked), decider(BO)) == "not-an-approver"
    assert isinstance(authorise(Case(escalate(asked, AUTHOR, ["group:legal"])), decider(BO)), Allowed)
    moved = reassign(asked, "user:ana", "user:cy")
    assert why(Case(moved), decider(ANA)) == "not-an-approver"
    assert isinstance(authorise(Case(moved), decider(CY)), Allowed)


def test_who_is_disabled_decides_nothing() -> None:
    """Whatever they are named in."""
    gone = person("ana", "finance", disabled=True)

    assert why(Case(terms(stage("user:ana"))), decider(gone)) == "disabled"
    assert why(Case(terms(stage("user:ana"))), decider(CY, gone)) == "not-an-approver"


def test_whoever_is_named_needs_the_role_as_well() -> None:
    """By handle, by a mailbox, in a group, or standing in for somebody; and nobody stands in for who has it not."""
    viewer = person("ana", "finance", roles=("viewer",))

    for asked in ("user:ana", "email:ana@example.com", "group:finance"):
        assert why(Case(terms(stage(asked))), decider(viewer)) == "no-role"
        assert why(Case(terms(stage(asked))), decider(CY, viewer)) == "not-an-approver"
    assert why(Case(terms(stage("user:bo"))), decider(viewer, BO)) == "no-role"
    assert why(Case(PLAIN), decider(viewer)) == "no-role"
    assert why(Case(PLAIN), Decider("key:of-an-approver", frozenset({"viewer"}), BO)) == "no-role"


@settings(max_examples=300, deadline=None)
@given(
    st.builds(Terms, asks=st.lists(asks, min_size=1, max_size=2).map(tuple)),
    people,
    st.lists(st.sampled_from(HANDLES), max_size=6, unique=True),
)
def test_whom_it_asks_now_are_those_who_can_decide(terms: Terms, people: tuple[Person, ...], voters: list[str]) -> None:
    """As approvers: what lists go by is what the authoriser says of everybody who has not had their say."""
    known = {each.handle: each for each in people}
    votes: tuple[Vote, ...] = ()
    for handle in voters:
        allowed = authorise(Case(terms, votes), decider(known[handle]))
        if isinstance(allowed, Allowed) and tally(terms, votes).outcome == "pending":
            votes = (*votes, Vote(str(known[handle].id), "approve", allowed.standing))
    said = {who for vote in votes for who in vote.people}
    for person in people:
        if not person.disabled and str(person.id) not in said:
            asked = bool(asked_now(terms, votes) & asked_as(person))
            assert asked == isinstance(authorise(Case(terms, votes), decider(person)), Allowed)


def test_how_many_have_said_yes_is_that_of_the_ask_that_needs_most() -> None:
    """Over all its stages; of branches of which any will do, the nearest."""
    assert given_of(PLAIN, ()) == (0, 1)
    both = terms(stage("group:finance", required=2), stage("group:legal"))
    assert given_of(both, cast(both, (ANA, "approve"))) == (1, 3)
    any_of = terms(
        Stage(need="any", quorums=(Quorum(approvers=("group:finance",), required=3), Quorum(approvers=("user:cy",))))
    )
    assert given_of(any_of, cast(any_of, (ANA, "approve"))) == (0, 1)
    two = Terms(asks=(*PLAIN.asks, Ask(source="policy:p@1", stages=(stage("group:finance", required=2),))))
    assert given_of(two, cast(two, (ANA, "approve"))) == (1, 2)


def test_who_is_named_counts_as_such_though_they_count_for_anybody_too() -> None:
    """Whom a policy names counts for "anybody" too, and does not lose their own place by that."""
    ana = person("ana")
    branches = Stage(need="any", quorums=(Quorum(required=2), Quorum(approvers=("user:ana",))))
    asked = Terms(asks=(Ask(source=AUTHOR, stages=(branches,)), Ask(source="policy:p@1", stages=(stage("user:ana"),))))

    assert tally(asked, cast(asked, (ana, "approve"))).outcome == "approved"
