"""Facts in the words of people."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from placet_approval.inbox import words
from placet_approval.policy.votes import Missing


@pytest.mark.parametrize(
    ("name", "text"), [("user_id", "User id"), ("userId", "User id"), ("amount", "Amount"), ("URL", "URL"), ("_", "_")]
)
def test_names_of_fields_read_as_words(name: str, text: str) -> None:
    """Whatever way their author spells them."""
    assert words.label(name) == text


@pytest.mark.parametrize(
    ("actor", "text"),
    [
        ("user:ana", "ana"),
        ("key:ci", "the key ci"),
        ("clock", "the clock"),
        ("agent:billing", "agent:billing"),
        ("rule:policy:small@1", "the rule of policy:small@1"),
        (None, "somebody"),
        ("user:", "user:"),
    ],
)
def test_actors_are_called_what_people_call_them(actor: str | None, text: str) -> None:
    """What nobody knows stays as it is."""
    assert words.who(actor) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "< 1 ms"),
        (0.3404, "340 ms"),
        (1, "1 s"),
        (65, "1 min 5 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (86400 + 59, "1 d"),
    ],
)
def test_a_span_has_its_two_largest_units(seconds: float, text: str) -> None:
    """No more is read anyway."""
    assert words.span(seconds) == text


def test_times_are_told_in_utc_until_the_reader_s_zone_is_known() -> None:
    """For machines and for people."""
    at = datetime(2026, 11, 3, 1, 5, tzinfo=timezone(timedelta(hours=2)))

    assert words.iso(at) == "2026-11-02T23:05:00.000Z"
    assert words.utc(at) == "2 Nov 2026, 23:05 UTC"
    assert words.iso(datetime(2026, 1, 1, tzinfo=UTC)).endswith("Z")


def test_what_is_missing_names_people_and_groups() -> None:
    """Nobody is an identifier."""
    assert words.needed(Missing(("user:ana",), 1)) == "ana"
    assert words.needed(Missing(("group:finance",), 2)) == "2 more of the group finance"
    assert words.needed(Missing(("user:ana", "email:bo@x.test"), 1)) == "1 more of ana or bo@x.test"
    assert words.needed(Missing((), 1)) == "1 more, anybody with the role approver"


def test_a_change_is_shown_line_by_line() -> None:
    """What stays, what goes, what comes."""
    assert words.changes({"a": 1, "b": 2}, {"a": 1, "b": 3})[1:] == [
        ("same", " {"),
        ("same", '   "a": 1,'),
        ("del", '-  "b": 2'),
        ("add", '+  "b": 3'),
        ("same", " }"),
    ]
    assert words.changes("one\ntwo", "one\ntwo") == []


@pytest.mark.parametrize(("left", "mark"), [(-5, "bad"), (59, "bad"), (61, "warn"), (1441, "calm")])
def test_a_deadline_is_marked_by_how_near_it_is(left: int, mark: str) -> None:
    """In minutes: an hour, a day, or further off."""
    now = datetime(2026, 11, 3, tzinfo=UTC)

    assert words.urgency(now + timedelta(minutes=left), now) == mark


@pytest.mark.parametrize(
    ("left", "long", "short"),
    [
        (4, "now", "now"),
        (34, "in 34 seconds", "in 34s"),
        (3599, "in 59 minutes", "in 59m"),
        (-3600, "1 hour ago", "1h ago"),
        (-200_000, "2 days ago", "2d ago"),
    ],
)
def test_how_far_off_a_time_is(left: int, long: str, short: str) -> None:
    """In seconds: in its largest unit that is full, so that no deadline seems further off than it is."""
    now = datetime(2026, 11, 3, tzinfo=UTC)
    at = now + timedelta(seconds=left)

    assert words.ago(at, now=now) == long
    assert words.ago(at, "short", now) == short
