"""What the notifier's unit tests start from."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from placet_contracts.destinations import Destination, Email
from placet_notifier.domain import Delivery, Notice

ANA = Email("ana@example.com")

# Texts that have broken out of other people's messages.
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": '"><a href="https://evil.example">click</a>',
    "style": "</p></div></title><style>body{display:none}</style>",
    "slack": "<!channel> <!here> <@U123> <#C123> <https://evil.example|your bank>",
    "entities": "&lt;!channel&gt; &amp;",
    "header": "Subject\r\nBcc: victim@example.com\r\n\r\nbody",
    "breaks": "a\nb\rc\u2028d\u2029e\x0bf\x0cg\x85h",
    "controls": "x\x00\x01\x1b[31m\x7f",
    "bidi": "invoice \u202efdp.exe",
    "template": "{{ 7 * 7 }} {% for x in y %} ${7*7}",
    "surrogate": "\ud800 lone",
    "encoded": "=?utf-8?q?=0D=0ABcc=3A_x=40y.z?=",
    "unicode": "👩‍👧 日本語 é",
}


@pytest.fixture(params=list(HOSTILE))
def hostile(request: pytest.FixtureRequest) -> str:
    """Each of the texts that try to be more than text."""
    return HOSTILE[request.param]


@pytest.fixture
def long() -> str:
    """A message of 50 KB."""
    return "All work and no play makes Jack a dull boy. " * 1200


@pytest.fixture
def deliver() -> Callable[..., Delivery]:
    """Makes the delivery of an approval."""

    def make(destination: Destination = ANA, **notice: Any) -> Delivery:
        facts: dict[str, Any] = {
            "approval_id": UUID(int=7),
            "run_id": "delete-user/42",
            "workflow": "delete-user",
            "version": 3,
            "gate": "legal",
            "message": "Delete 42?",
        }
        at = datetime(2026, 11, 24, 12, tzinfo=UTC)
        return Delivery(UUID(int=1), destination, Notice(**(facts | notice)), at)

    return make
