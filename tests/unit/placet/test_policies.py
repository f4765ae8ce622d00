"""Who must say yes, as an author writes it."""

from datetime import date, timedelta
from typing import Any

import pytest

from placet import Email, Escalation, Group, Hours, Interrupt, Quorum, Stage, User


def test_nothing_said_is_no_policy() -> None:
    """One person with the role approver decides, as ever."""
    assert Interrupt.approval().policy is None
    assert Interrupt.approval(rejections=1, reminders=[]).policy is None


def test_some_of_these_people() -> None:
    """Users, groups and mailboxes."""
    interrupt = Interrupt.approval(approvers=[User("ana"), Group("finance"), Email("Bo@example.com")], required=2)

    assert interrupt.policy is not None
    [stage] = interrupt.policy.stages
    [quorum] = stage.quorums
    assert (quorum.approvers, quorum.required) == (("user:ana", "group:finance", "email:bo@example.com"), 2)


def test_stages_and_branches() -> None:
    """In sequence; of branches all or any; with conditions."""
    interrupt = Interrupt.approval(
        stages=[
            Stage(User("ana"), name="manager"),
            Stage(Quorum(Group("legal")), Quorum(Group("finance"), required=2), need="any", when="input.amount > 1000"),
        ]
    )

    assert interrupt.policy is not None
    first, second = interrupt.policy.stages
    assert (first.name, first.need, first.quorums[0].approvers) == ("manager", "all", ("user:ana",))
    assert (second.need, second.when, [quorum.required for quorum in second.quorums]) == (
        "any",
        "input.amount > 1000",
        [1, 2],
    )


def test_time() -> None:
    """Deadline, reminders and escalation, in working hours."""
    interrupt = Interrupt.approval(
        expires_in=timedelta(hours=8),
        on_deadline="reject",
        reminders=[timedelta(hours=2), 3 * 3600],
        escalate=Escalation(timedelta(hours=4), Group("heads"), destination=Email("heads@example.com")),
        hours=Hours("Europe/Berlin", holidays=[date(2026, 12, 25)]),
    )

    assert interrupt.policy is not None
    assert (interrupt.expires_in, interrupt.policy.on_deadline, interrupt.policy.reminders) == (
        28800,
        "reject",
        (7200, 10800),
    )
    assert interrupt.policy.escalations[0].to == ("group:heads",)
    assert interrupt.policy.hours is not None


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"approvers": "ana"}, TypeError, "approvers: User"),
        ({"approvers": [User("ana"), "bo"]}, TypeError, "not 'bo'"),
        ({"approvers": []}, ValueError, "name at least one"),
        ({"approvers": [User("ana")], "required": 2}, ValueError, "2 of 1 approvers can never be had"),
        ({"approvers": [User("ana"), User("ana")]}, ValueError, "named twice"),
        ({"required": 0}, ValueError, "required"),
        ({"required": True}, ValueError, "required"),
        ({"stages": []}, ValueError, "stages"),
        ({"stages": [User("ana")]}, TypeError, r"Stage\(...\), not User"),
        ({"stages": [Stage()], "required": 2}, ValueError, "in each stage"),
        ({"rejections": 0}, ValueError, "rejections"),
        ({"approve_when": ""}, ValueError, "approve_when"),
        ({"on_deadline": "reject"}, ValueError, "goes with expires_in"),
        ({"on_deadline": "aprove", "expires_in": 5}, ValueError, "on_deadline"),
        ({"reminders": [5], "expires_in": 5}, ValueError, "come before expires_in"),
        ({"reminders": ["5"]}, TypeError, "reminders: a timedelta or seconds"),
        ({"escalate": [5]}, TypeError, "Escalation"),
        ({"hours": Hours("UTC")}, ValueError, "nothing here takes time"),
        ({"requried": 2}, TypeError, "requried"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], error: type[Exception], reason: str) -> None:
    """Where it is written, in words."""
    with pytest.raises(error, match=reason):
        Interrupt.approval(**options)


def test_the_parts_refuse_nonsense_too() -> None:
    """At once, not when a run comes by."""
    for make, reason in (
        (lambda: User("two words"), "user:<handle>"),
        (lambda: Group(""), "group:<name>"),
        (lambda: Quorum(User("a"), required=2), "never be had"),
        (lambda: Stage(Quorum(User("a")), User("b")), "put each approver into a quorum"),
        (lambda: Stage(User("a"), need="some"), "need"),  # type: ignore[arg-type]
        (lambda: Escalation(0, User("a")), "after"),
        (lambda: Escalation(5), "to"),
        (lambda: Hours("Mars/Olympus"), "no time zone"),
    ):
        with pytest.raises(ValueError, match=reason):
            make()
