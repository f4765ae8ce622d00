"""What a Slack message holds, whatever its text says."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

from placet_notifier.channels.content import compose
from placet_notifier.channels.slack import render
from placet_notifier.domain import Delivery

Deliver = Callable[..., Delivery]

LIMITS = {"plain_text": 150, "mrkdwn": 3000}


def message(deliver: Deliver, **notice: object) -> dict[str, Any]:
    return render(compose(deliver(**notice).notice, "https://placet.example", limit=2800))


def texts(value: Any) -> Iterator[dict[str, str]]:
    """Every text object of a message."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        if value.get("type") in LIMITS:
            yield value
        for item in value.values():
            yield from texts(item)


def test_a_message_leads_to_the_approval(deliver: Deliver) -> None:
    """Header, message, context, facts and a button that opens the request."""
    told = message(deliver, context={"account": "ana"})
    said = "\n".join(text["text"] for text in texts(told["blocks"]))
    [button] = told["blocks"][-1]["elements"]

    for expected in ("Approval needed: delete-user", "Delete 42?", "*account:* ana", "delete-user/42"):
        assert expected in said
    assert button["url"] == "https://placet.example/approvals/00000000-0000-0000-0000-000000000007"
    assert told["unfurl_links"] is told["unfurl_media"] is False


def test_hostile_text_mentions_nobody(deliver: Deliver, hostile: str) -> None:
    """No text has a live bracket or a bare ampersand, and what was written is what is shown."""
    told = message(deliver, title=hostile, message=hostile, context={hostile: hostile}, requested_by=hostile)

    for text in (told["text"], *(text["text"] for text in texts(told["blocks"]))):
        assert "<" not in text
        assert ">" not in text
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    assert all(text["verbatim"] for text in texts(told["blocks"]) if text["type"] == "mrkdwn")


def test_what_is_written_is_what_is_shown(deliver: Deliver) -> None:
    """Brackets and ampersands are escaped once."""
    section = message(deliver, message="a < b && <!channel>")["blocks"][1]["text"]["text"]

    assert unescape(section) == "a < b && <!channel>"


def test_a_long_message_does_not_vanish(deliver: Deliver, long: str) -> None:
    """50 KB, of letters or of what grows when escaped, fit Slack's limits and say that they were shortened."""
    for text in (long, "&" * 50_000, "<>" * 25_000):
        told = message(deliver, title=text, message=text, context={text: text})
        said = [text["text"] for text in texts(told["blocks"])]

        assert all(len(text["text"]) <= LIMITS[text["type"]] for text in texts(told["blocks"]))
        assert not any(re.search(r"&(?!amp;|lt;|gt;)", part) for part in said)
        assert any("shortened" in part for part in said)
        assert len(told["text"]) <= 300
