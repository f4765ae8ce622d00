"""Where webhooks may go, and what they carry."""

import json
from collections.abc import Callable

import pytest

from placet_contracts.destinations import Webhook
from placet_notifier.channels.webhook import is_public, render
from placet_notifier.domain import Delivery

Deliver = Callable[..., Delivery]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_not_on_the_public_internet_is_refused(address: str) -> None:
    """Private, local, reserved and multicast addresses, also where they stand in another address."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_what_is_on_the_public_internet_is_not(address: str) -> None:
    """Public addresses of both kinds."""
    assert is_public(address)


def test_a_webhook_carries_the_facts(deliver: Deliver) -> None:
    """The body is a CloudEvent whose id is the delivery's, with values as they were given."""
    body = render(deliver(Webhook("https://a.test"), context={"n": [1, None]}, requested_by="ci"), "https://p.test")

    assert json.loads(body) == {
        "specversion": "1.0",
        "id": "00000000-0000-0000-0000-000000000001",
        "source": "placet/notifier",
        "type": "approval.opened.v1",
        "time": "2026-11-24T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "approvalId": "00000000-0000-0000-0000-000000000007",
            "runId": "delete-user/42",
            "workflow": "delete-user",
            "version": 3,
            "gate": "legal",
            "requestedBy": "ci",
            "message": "Delete 42?",
            "context": {"n": [1, None]},
            "shortened": False,
            "url": "https://p.test/approvals/00000000-0000-0000-0000-000000000007",
        },
    }


def test_a_long_message_is_shortened(deliver: Deliver, long: str) -> None:
    """Beyond 10,000 characters of message or 64 KB of context the receiver follows the link."""
    data = json.loads(render(deliver(message=long, context=[long] * 2), "https://p.test"))["data"]

    assert len(data["message"]) == 10_000
    assert data["context"] is None
    assert data["shortened"] is True
