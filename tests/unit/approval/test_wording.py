"""A policy reads as what it asks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placet_approval.inbox.wording import about, duration, in_words, sourced
from placet_approval.policy.matching import DeploymentPolicy, Match
from placet_approval.policy.terms import PLAIN, Named, combine, escalate
from placet_contracts.policies import AuthorPolicy, Policy

FINANCE = {"approvers": ["group:finance"], "required": 2}
ANA = {"approvers": ["user:ana"]}


def policy(**facts: Any) -> Policy:
    return Policy.model_validate(facts)


def stage(*quorums: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"quorums": quorums, **facts}


def test_stages_a_requester_and_a_deadline() -> None:
    """Clauses that read on."""
    asked = policy(stages=[stage(FINANCE), stage(ANA)], separate_requester=True, expires_in=3 * 86400.0)

    assert (
        "; ".join(in_words(asked)) == "2 of group:finance; then 1 of user:ana; not whoever asked; expires after 3 days"
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, ["nobody more than the workflow asks"]),
        ({"stages": [stage({})]}, ["1 person with the role approver"]),
        ({"stages": [stage({"required": 3})]}, ["3 people with the role approver"]),
        (
            {"stages": [stage({"approvers": ["user:ana", "email:cfo@example.com"]}, name="money")]},
            ["1 of user:ana, email:cfo@example.com (money)"],
        ),
        ({"stages": [stage(FINANCE, ANA)]}, ["2 of group:finance and 1 of user:ana, all different"]),
        ({"stages": [stage(FINANCE, ANA, need="any")]}, ["either 2 of group:finance or 1 of user:ana"]),
        ({"stages": [stage(ANA, when="input.amount > 1000")]}, ["1 of user:ana, where input.amount > 1000"]),
        (
            {"stages": [stage(ANA)], "approve_when": "input.amount < 10", "rejections": 2, "distinct_gates": True},
            [
                "1 of user:ana",
                "nobody, where input.amount < 10",
                "2 different people must reject to end it",
                "not whoever decided at another gate of the run",
            ],
        ),
        (
            {"stages": [stage(ANA)], "separate_requester": False},
            ["1 of user:ana", "whoever asked may decide too"],
        ),
        (
            {
                "stages": [stage(ANA)],
                "reminders": [7200.0, 14400.0],
                "escalations": [{"after": 21600.0, "to": ["group:heads"]}],
                "expires_in": 57600.0,
                "on_deadline": "reject",
                "hours": {"time_zone": "Europe/Berlin", "holidays": ["2026-12-25"]},
            },
            [
                "1 of user:ana",
                "reminds after 2 hours and 4 hours of working time",
                "after 6 hours of working time also group:heads may decide",
                "is rejected after 16 hours of working time",
                "working time is Mon to Fri, 09:00 to 17:00, Europe/Berlin, without 1 holiday",
            ],
        ),
        (
            {"expires_in": 60.0, "hours": {"time_zone": "UTC", "days": ["sun", "mon", "wed"]}},
            [
                "nobody more than the workflow asks",
                "expires after 1 minute of working time",
                "working time is Mon, Wed and Sun, 09:00 to 17:00, UTC",
            ],
        ),
    ],
)
def test_each_part_of_a_policy_is_said(asked: dict[str, Any], words: list[str]) -> None:
    """And nothing that it does not ask."""
    assert in_words(policy(**asked)) == words


def test_no_field_is_passed_over() -> None:
    """Whatever a policy sets, its words change; so that one who reads them reads all of it."""
    facts: dict[str, Any] = {
        "stages": [stage(ANA)],
        "rejections": 2,
        "separate_requester": True,
        "distinct_gates": True,
        "approve_when": "true",
        "expires_in": 60.0,
        "reminders": [1.0],
        "escalations": [{"after": 1.0, "to": ["user:bo"]}],
        "rules_may_approve": True,
    }
    needs_more = {"on_deadline": {"expires_in": 60.0}, "hours": {"expires_in": 60.0}}
    values = {"on_deadline": "reject", "hours": {"time_zone": "UTC"}, **facts}

    assert values.keys() == AuthorPolicy.model_fields.keys()
    for field, value in values.items():
        base = needs_more.get(field, {})
        assert in_words(AuthorPolicy.model_validate({**base, field: value})) != in_words(
            AuthorPolicy.model_validate(base)
        ), field


def test_an_author_who_says_nothing_asks_for_an_approver() -> None:
    """As the terms say that come of it."""
    assert in_words(AuthorPolicy()) == ["1 person with the role approver"]
    assert in_words(PLAIN) == ["1 person with the role approver", "not whoever asked"]


def test_terms_say_who_asks_for_what() -> None:
    """Where more than one does; with those who came in later, and rules that stand for people."""
    draft = DeploymentPolicy.model_validate({"name": "large", "stages": [stage(FINANCE), stage(ANA, when="false")]})
    quick = DeploymentPolicy.model_validate({"name": "quick", "stages": [stage(ANA)], "approveWhen": "true"})
    terms = combine(AuthorPolicy(distinct_gates=True), [Named("large", 2, draft), Named("quick", 0, quick)], {})

    assert in_words(escalate(terms, "policy:large@2", ["user:ceo"])) == [
        "the author: 1 person with the role approver",
        "the policy large (version 2): 2 of group:finance",
        "also user:ceo, wherever somebody is named",
        "the draft quick: nobody, as the rule of the draft quick approves",
        "not whoever asked",
        "not whoever decided at another gate of the run",
    ]


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({}, "every approval"),
        ({"workflow": "refund"}, "every gate of refund"),
        ({"workflow": "refund", "version": 2, "gate": "legal"}, "the gate legal of refund, version 2"),
        ({"gate": "legal"}, "the gate legal of any workflow"),
    ],
)
def test_what_a_policy_is_about(match: dict[str, Any], words: str) -> None:
    """A workflow, a version, a gate, or any."""
    assert about(Match.model_validate(match)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0.2 seconds"),
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (3600, "1 hour"),
        (129600, "1 day 12 hours"),
        (90061, "1 day 1 hour"),
    ],
)
def test_times_are_told_in_their_largest_units(seconds: float, words: str) -> None:
    """Two of them at most."""
    assert duration(seconds) == words


def test_policies_in_a_text_are_named() -> None:
    """As people know them; the rest stays as it is."""
    assert sourced("policy:a.b@2 needs 1 of policy:x; policy:try@0") == (
        "the policy a.b (version 2) needs 1 of policy:x; the draft try"
    )


@given(st.floats(min_value=1e-6, max_value=316224000.0))
def test_every_time_has_words(seconds: float) -> None:
    """None is empty."""
    assert duration(seconds)[0].isdigit()
