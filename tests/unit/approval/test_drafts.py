"""Policies as the text that people edit."""

from typing import Any

import pytest

from placet_approval.inbox import drafts
from placet_approval.inbox.drafts import EXAMPLE, Problem
from placet_approval.policy.matching import DeploymentPolicy


def policy(**facts: Any) -> DeploymentPolicy:
    return DeploymentPolicy.model_validate({"name": "p", **facts})


ESCALATION = {"after": 60.0, "to": ["user:bo"], "destinations": [{"type": "email", "email": "bo@example.com"}]}


@pytest.mark.parametrize(
    "stored",
    [
        policy(),
        policy(match={"workflow": "w", "version": 2, "gate": "g"}),
        policy(stages=[{"quorums": [{"approvers": ["group:finance"], "required": 2}], "when": "input.a > 'ü'"}]),
        policy(expires_in=0.5, reminders=[60.0, 90.5], on_deadline="reject", separate_requester=False),
        policy(hours={"time_zone": "Europe/Berlin", "holidays": ["2026-12-25"]}, expires_in=3600.0),
        policy(escalations=[ESCALATION]),
    ],
)
def test_what_is_shown_is_what_is_stored(stored: DeploymentPolicy) -> None:
    """A policy's text, put in force as it stands, is the same policy."""
    assert drafts.read(drafts.text_of(stored)) == stored


def test_a_text_is_as_short_as_it_can_be() -> None:
    """What goes without saying is not said, and what fits in a line stands in one."""
    stored = policy(match={"workflow": "w"}, expires_in=60.0, stages=[{"quorums": [{"approvers": ["user:ana"]}]}])

    assert drafts.text_of(stored) == (
        '{\n  "name": "p",\n  "match": {"workflow": "w"},\n'
        '  "stages": [{"quorums": [{"approvers": ["user:ana"]}]}],\n  "expiresIn": 60\n}'
    )


def test_the_example_is_a_policy() -> None:
    """So that it can be put in force as it stands."""
    assert isinstance(drafts.read(EXAMPLE), DeploymentPolicy)


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "", "Invalid JSON"),
        ("{", "", "Invalid JSON"),
        ("[]", "", "should be an object"),
        ('{"match": {}}', "name", "is missing"),
        ('{"name": "p", "stagess": []}', "stagess", "there is no such field"),
        ('{"name": "a b"}', "name", "pattern"),
        ('{"name": "p", "stages": [{"quorums": []}]}', "stages.0.quorums", "needs at least 1"),
        ('{"name": "p", "hours": {"timeZone": "Mars"}}', "hours.timeZone", "'Mars' is no time zone"),
        ('{"name": "p", "rejections": 1, "rejections": 2}', "", "a name is there twice in one object"),
    ],
)
def test_what_does_not_fit_is_said_where_it_is(text: str, where: str, why: str) -> None:
    """Field by field."""
    found = drafts.read(text)

    assert isinstance(found, list)
    assert [each.where for each in found] == [where]
    assert why in found[0].why


def test_all_that_does_not_fit_is_said_at_once() -> None:
    """So that nobody has to find out one after the other."""
    found = drafts.read('{"rejections": 0, "onDeadline": "explode"}')

    assert isinstance(found, list)
    assert {each.where for each in found} == {"name", "rejections", "onDeadline"}
    assert all(isinstance(each, Problem) and each.why for each in found)
