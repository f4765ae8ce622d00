"""What an interrupt may say, and where it may go."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from placet import Email, Interrupt, Slack, Webhook


@dataclass
class Diff:
    before: int
    at: datetime


def test_an_interrupt_carries_what_the_decider_sees() -> None:
    """Message, title, context as JSON, destinations and deadline."""
    interrupt = Interrupt.approval(
        "legal",
        title="Contract",
        message="Sign?",
        destination=[Email("ana@example.com"), Slack(channel_id="C01"), Webhook("https://example.com/hook")],
        context=Diff(before=1, at=datetime(2026, 1, 1, tzinfo=UTC)),
        expires_in=timedelta(hours=1),
        on_reject="resume",
    )

    assert (interrupt.gate, interrupt.title, interrupt.message) == ("legal", "Contract", "Sign?")
    assert [str(destination) for destination in interrupt.destinations] == [
        "ana@example.com",
        "C01",
        "https://example.com/hook",
    ]
    assert interrupt.context == {"before": 1, "at": "2026-01-01T00:00:00Z"}
    assert (interrupt.expires_in, interrupt.on_reject) == (3600.0, "resume")


def test_an_interrupt_needs_nothing() -> None:
    """The unnamed gate, shown in the inbox only, open until somebody decides."""
    interrupt = Interrupt.approval()

    assert (interrupt.gate, interrupt.destinations, interrupt.expires_in, interrupt.on_reject) == (
        "approval",
        (),
        None,
        "reject",
    )


def test_context_is_a_copy() -> None:
    """What is changed after asking is not what was asked."""
    context = {"amount": 1}
    interrupt = Interrupt.approval(context=context)
    context["amount"] = 1_000_000

    assert interrupt.context == {"amount": 1}


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"gate": "two words"}, ValueError, "gate"),
        ({"gate": ""}, ValueError, "gate"),
        ({"gate": None}, TypeError, "gate"),
        ({"on_reject": "resmue"}, ValueError, "on_reject: 'resmue' is none of reject, resume"),
        ({"on_reject": None}, ValueError, "on_reject"),
        ({"message": 3}, TypeError, "message"),
        ({"message": b"hello"}, TypeError, "message"),
        ({"message": "a\0b"}, ValueError, "message"),
        ({"title": "\ud800"}, ValueError, "surrogates"),
        ({"context": object()}, TypeError, "context"),
        ({"context": {"ratio": float("nan")}}, TypeError, "context"),
        ({"destination": "ana@example.com"}, TypeError, r'Email\("ana@example.com"\)'),
        ({"destination": [Email("ana@example.com"), None, "bo"]}, TypeError, "destination"),
        ({"expires_in": 0}, ValueError, "expires_in"),
        ({"expires_in": timedelta(seconds=-1)}, ValueError, "expires_in"),
        ({"expires_in": float("inf")}, ValueError, "expires_in"),
        ({"expires_in": "1h"}, TypeError, "expires_in"),
        ({"expires_in": True}, TypeError, "expires_in"),
        ({"mesage": "Ok?"}, TypeError, "mesage"),
    ],
)
def test_what_does_not_do_is_refused_where_it_is_written(
    options: dict[str, Any], error: type[Exception], reason: str
) -> None:
    """A misspelt or impossible option raises at the call, not when somebody has decided."""
    with pytest.raises(error, match=reason):
        Interrupt.approval(**options)


@pytest.mark.parametrize("address", ["ana", "ana@", "a b@example.com", "ana@example.com\nBcc: eve@example.com", ""])
def test_an_email_address_is_checked(address: str) -> None:
    """No address leaves its header."""
    with pytest.raises(ValueError, match="not an e-mail address"):
        Email(address)


@pytest.mark.parametrize(
    "target", [{}, {"channel_id": "C01", "user_id": "U01"}, {"user_id": "U01", "thread_ts": "1.2"}, {"chanel": "C01"}]
)
def test_slack_takes_exactly_one_target(target: dict[str, Any]) -> None:
    """A user, a channel or a thread in one."""
    with pytest.raises(ValueError, match="validation error"):
        Slack(**target)


@pytest.mark.parametrize(
    "url", ["example.com", "ftp://example.com", "https://user:secret@example.com/", "javascript:1"]
)
def test_a_webhook_is_an_http_url(url: str) -> None:
    """And carries no password."""
    with pytest.raises(ValueError, match="not an http"):
        Webhook(url)
