"""How what authors and deployments ask comes together on an input."""

import json
from datetime import UTC, date, datetime, time
from time import process_time

import pytest
from pydantic import ValidationError

from placet_approval.policy import calendar, conditions
from placet_approval.policy.conditions import CannotTell
from placet_approval.policy.terms import AUTHOR, PLAIN, Ask, Named, Terms, combine, reassign
from placet_contracts.policies import AuthorPolicy, Hours, Policy, Quorum, Stage

FINANCE = Stage(quorums=(Quorum(approvers=("group:finance",)),), when="input.amount > 1000")


def test_nothing_asked_is_one_approver() -> None:
    """And whoever asked for the run is none."""
    assert combine(None, [], {}) == PLAIN


@pytest.mark.parametrize(
    ("input", "asked"),
    [({"amount": 5000}, True), ({"amount": 1000.5}, True), ({"amount": 10}, False), ({}, True), (None, True)],
)
def test_a_condition_adds_people(input: object, asked: bool) -> None:
    """Where it is true, and where it cannot be told: then a person decides."""
    terms = combine(None, [Named("large", 3, Policy(stages=(FINANCE,)))], input)

    assert [ask.source for ask in terms.asks] == ["author", "policy:large@3"][: 1 + asked]
    assert terms.rules[0].result == (None if input in ({}, None) else asked)


def test_an_author_whose_conditions_are_all_false_still_asks_somebody() -> None:
    """An approval that nobody need give is none."""
    terms = combine(AuthorPolicy(stages=(FINANCE,)), [], {"amount": 1})

    assert terms.asks == PLAIN.asks


@pytest.mark.parametrize(
    ("input", "approved"), [({"amount": 5}, True), ({"amount": 50}, False), ({}, False), ({"amount": "5"}, False)]
)
def test_a_rule_approves_only_what_it_can_tell(input: object, approved: bool) -> None:
    """An error, another type or a missing field: people decide."""
    terms = combine(AuthorPolicy(approve_when="input.amount < 10"), [], input)

    assert terms.approved_by == ("rule:author" if approved else None)


def test_a_deployments_rule_approves_only_where_the_author_lets_it() -> None:
    """The deployment can only tighten."""
    small = [Named("small", 1, Policy(approve_when="input.amount < 10"))]

    assert combine(None, small, {"amount": 5}).approved_by is None
    assert combine(AuthorPolicy(rules_may_approve=True), small, {"amount": 5}).approved_by == "rule:policy:small@1"
    assert combine(AuthorPolicy(rules_may_approve=True), small, {"amount": 50}).approved_by is None
    large = Named("large", 1, Policy(stages=(Stage(quorums=(Quorum(approvers=("group:finance",)),)),)))
    assert combine(AuthorPolicy(rules_may_approve=True), [*small, large], {"amount": 5}).approved_by is None
    assert combine(AuthorPolicy(approve_when="true"), [large], {}).approved_by is None


def test_flags_only_tighten() -> None:
    """An author may let the requester decide; a deployment may forbid it, and cannot be overruled."""
    lenient, strict = AuthorPolicy(separate_requester=False), Policy(separate_requester=True, distinct_gates=True)

    assert combine(lenient, [], {}).separate_requester is False
    assert combine(None, [Named("x", 1, Policy(separate_requester=False))], {}).separate_requester is None
    both = combine(lenient, [Named("x", 1, strict)], {})
    assert (both.separate_requester, both.distinct_gates) == (True, True)


@pytest.mark.parametrize(
    "condition",
    [
        "input.amount >",
        "input.missing == 1",
        "nothing.amount > 1",
        "input.amount",
        "input.name > 1",
        "input.items.map(a, input.items.map(b, input.items.all(c, c == b)))[0][0]",
        "1 / 0 == 1",
        "input.amount > 99999999999999999999",
        "(" * 400 + "true" + ")" * 400,
    ],
)
def test_what_cannot_be_told_says_so(condition: str) -> None:
    """No parse, no field, no truth, or too many loops."""
    with pytest.raises(CannotTell):
        conditions.holds(condition, {"amount": 5, "name": "x", "items": [1, 2]})


def test_a_condition_ends_soon() -> None:
    """The dearest that is let through takes a fraction of a second; larger inputs are refused before."""
    dearest = "input.l.all(a, input.l.all(b, " + " && ".join(["a + b >= 0"] * 60) + "))"
    began = process_time()

    assert conditions.holds(dearest, {"l": list(range(97))})

    assert process_time() - began < 1
    with pytest.raises(CannotTell, match="too many for its loops"):
        conditions.holds("input.l.all(a, a >= 0)", {"l": list(range(1001))})
    with pytest.raises(CannotTell, match="bytes"):
        conditions.holds("input.l == ''", {"l": "x" * 70_000})


@pytest.mark.parametrize(
    ("start", "seconds", "end"),
    [
        ("2026-11-23T10:00", 3600, "2026-11-23T11:00"),  # a Monday
        ("2026-11-23T16:30", 3600, "2026-11-24T09:30"),
        ("2026-11-23T03:00", 3600, "2026-11-23T10:00"),
        ("2026-11-27T16:00", 2 * 3600, "2026-12-01T10:00"),  # over the weekend, and a holiday on Monday
        ("2026-11-28T12:00", 60, "2026-12-01T09:01"),
        ("2026-11-23T09:00", 8 * 3600, "2026-11-23T17:00"),
    ],
)
def test_working_hours(start: str, seconds: float, end: str) -> None:
    """Time passes only while people work, by their own clock."""
    berlin = Hours(time_zone="Europe/Berlin", holidays=(date(2026, 11, 30),))

    ends = calendar.after(datetime.fromisoformat(f"{start}+01:00"), seconds, berlin)

    assert ends == datetime.fromisoformat(f"{end}+01:00")


def test_working_hours_know_summer_time() -> None:
    """The night in which an hour is missing has an hour less to work."""
    night = Hours(time_zone="Europe/Berlin", days=("sun",), opens=time(1), closes=time(5))

    ends = calendar.after(datetime(2026, 3, 28, tzinfo=UTC), 2 * 3600, night)

    assert ends == datetime.fromisoformat("2026-03-29T04:00+02:00")


def test_working_hours_that_hardly_are_end_at_last() -> None:
    """A deadline comes, however little is worked."""
    minute = Hours(time_zone="UTC", days=("mon",), opens=time(9), closes=time(9, 1))

    ends = calendar.after(datetime(2026, 1, 1, tzinfo=UTC), 30 * 24 * 3600, minute)

    assert ends.year == 2036


@pytest.mark.parametrize(
    "wrong",
    [
        {"stages": [{"quorums": [{"approvers": ["user:a"], "required": 2}]}]},
        {"stages": [{"quorums": [{"approvers": ["user:a", "user:a"]}]}]},
        {"stages": [{"quorums": [{"approvers": ["finance"]}]}]},
        {"stages": [{"quorums": [{"approvers": ["email:x"]}]}]},
        {"stages": [{"quorums": []}]},
        {"stages": [{"quorums": [{"required": 0}]}]},
        {"stages": [{"quorums": [{"required": True}]}]},
        {"stages": [{"quorums": [{}], "wehn": "true"}]},
        {"seperateRequester": True},
        {"rejections": 0},
        {"reminders": [-1]},
        {"hours": {"timeZone": "Mars/Olympus"}},
        {"hours": {"timeZone": "UTC", "opens": "17:00", "closes": "09:00"}},
        {"escalations": [{"after": 5, "to": []}]},
    ],
)
def test_what_is_misspelt_or_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Rather than letting more through than was meant."""
    with pytest.raises(ValidationError):
        Policy.model_validate_json(json.dumps(wrong))


def test_nobody_is_put_in_the_place_of_somebody_whom_they_must_agree_with() -> None:
    """Terms that nobody can meet are refused, and not stored."""
    asked = Terms(
        asks=(Ask(source=AUTHOR, stages=(Stage(quorums=(Quorum(approvers=("user:ana", "user:bo"), required=2),)),)),)
    )

    with pytest.raises(ValueError, match="can never be had"):
        reassign(asked, "user:ana", "user:bo")
