"""What every channel tells."""

from collections.abc import Callable
from datetime import UTC, datetime

from placet_notifier.channels.content import Content, compose, plain
from placet_notifier.domain import Delivery

Deliver = Callable[..., Delivery]

URL = "https://placet.example"


def content(deliver: Deliver, limit: int = 1000, **notice: object) -> Content:
    return compose(deliver(**notice).notice, URL, limit=limit)


def test_an_approval_says_who_asks_for_what_and_until_when(deliver: Deliver) -> None:
    """The decider sees the workflow, the gate, the run, the requester and the deadline, and a link to the approval."""
    told = content(deliver, requested_by="ci", expires_at=datetime(2026, 12, 1, 9, 5, tzinfo=UTC))

    assert told.title == "Approval needed: delete-user"
    assert dict(told.facts) == {
        "Workflow": "delete-user, version 3",
        "Gate": "legal",
        "Run": "delete-user/42",
        "Requested by": "ci",
        "Expires": "1 December 2026, 09:05 UTC",
    }
    assert told.url == f"{URL}/approvals/00000000-0000-0000-0000-000000000007"
    assert told.asks
    assert not told.shortened


def test_a_notification_asks_for_nothing(deliver: Deliver) -> None:
    """A message without an approval is titled by its first line and leads to its run."""
    told = content(deliver, approval_id=None, version=None, gate=None, message="Done.\nAll 3 are gone.")

    assert told.title == "delete-user: Done."
    assert told.url == f"{URL}/runs/delete-user%2F42"
    assert not told.asks


def test_context_is_told_as_keys_and_values(deliver: Deliver) -> None:
    """Mappings, lists and single values are each readable; falsy values are values."""
    assert content(deliver, context={"user": "ana", "orders": 0, "plan": {"a": [1]}}).context == [
        ("user", "ana"),
        ("orders", "0"),
        ("plan", '{"a":[1]}'),
    ]
    assert content(deliver, context=["a", False]).context == [("1", "a"), ("2", "false")]
    assert content(deliver, context="just so").context == [("Context", "just so")]
    assert content(deliver, context=None).context == []


def test_what_is_long_is_shortened_and_says_so(deliver: Deliver, long: str) -> None:
    """A message or context beyond the limit is cut, marked, and still within the limit."""
    message = content(deliver, message=long)
    value = content(deliver, context={"log": long})
    many = content(deliver, context={str(number): "x" for number in range(100)})

    assert len(message.message) <= 1000
    assert message.message.endswith("…")
    assert message.shortened
    assert value.shortened
    assert many.shortened
    assert sum(len(key) + len(text) for key, text in value.context) <= 1000


def test_text_is_nothing_but_text(deliver: Deliver, hostile: str) -> None:
    """Titles are one line, and nothing keeps what cannot be seen, except line ends and what holds emoji together."""
    told = content(deliver, title=hostile, message=hostile, context={hostile: hostile}, requested_by=hostile)

    assert told.title.isprintable() or "\u200d" in told.title
    for text in (told.message, *(text for pair in (*told.facts, *told.context) for text in pair)):
        assert text.replace("\n", "").replace("\u200d", "").isprintable()


def test_lines_stay_lines() -> None:
    """Whatever ends a line ends it in the message too."""
    assert plain("a\r\nb\rc\u2028\td") == "a\nb\nc\n    d"
