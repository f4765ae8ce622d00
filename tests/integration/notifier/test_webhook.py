"""Signed POSTs, and where they do not go."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook as Verifier
from starlette.responses import RedirectResponse, Response

from kit.http import Receiver, http_server
from kit.tls import Authority
from placet_contracts.destinations import Webhook
from placet_notifier.channels import webhook
from placet_notifier.domain import Delivery, Notice, TryLater, Undeliverable

Run = Callable[..., AbstractAsyncContextManager[Any]]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with http_server() as receiver:
        yield receiver


def delivery(url: str) -> Delivery:
    return Delivery(uuid4(), Webhook(url), Notice(run_id="r", workflow="w"), datetime.now(UTC))


def poster(**settings: Any) -> AbstractAsyncContextManager[webhook.Poster]:
    defaults: dict[str, Any] = {"allow_private": False, "public_url": "http://localhost:8700", "send_timeout": 5}
    return webhook.connect(SECRET, **(defaults | settings))


class Resolver:
    """Answers each question with the next address, as a name server that changes its mind does."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return [self.addresses.pop(0)]


async def test_a_webhook_is_signed_and_keeps_its_id_over_retries(run: Run, hook: Receiver) -> None:
    """Both tries verify with the shared secret, and carry the same id and body."""
    hook.answers["/hook"].append(Response(status_code=503))
    async with run(webhook_secret=SECRET, webhook_allow_private=True) as running:
        approval = await running.timeline.open_approval(Webhook(f"{hook.origin}/hook?key=1"))
        [sent] = await running.timeline.until("sent")
        first, second = hook.requests

        for request in (first, second):
            told = Verifier(SECRET).verify(request.body, dict(request.headers))
            assert told["id"] == request.headers["webhook-id"] == str(sent.delivery_id)
            assert told["data"]["approvalId"] == str(approval.approval_id)
        assert first.body == second.body
        assert sent.recipient == hook.origin


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Response(status_code=204), "sent"),
        (Response("x" * 1_000_000), "sent"),
        (Response(status_code=429, headers={"retry-after": "60"}), "retrying"),
        (Response(status_code=408), "retrying"),
        (Response(status_code=410), "failed"),
        (Response(status_code=400), "failed"),
        (RedirectResponse("/elsewhere"), "failed"),
    ],
)
async def test_the_answer_decides(run: Run, hook: Receiver, answer: Response, status: str) -> None:
    """2xx is received, what may pass is tried again, everything else ends; a redirect leads nowhere."""
    hook.default = answer
    async with run(webhook_secret=SECRET, webhook_allow_private=True) as running:
        await running.timeline.open_approval(Webhook(f"{hook.origin}/hook"))
        await running.timeline.until(status)

        assert {request.path for request in hook.requests} == {"/hook"}


async def test_retry_after_is_honoured(run: Run, hook: Receiver) -> None:
    """The next try waits for as long as the receiver asks for."""
    hook.default = Response(status_code=503, headers={"retry-after": "60"})
    async with run(webhook_secret=SECRET, webhook_allow_private=True) as running:
        await running.timeline.open_approval(Webhook(f"{hook.origin}/hook"))
        await running.timeline.until("retrying")
        wait = await running.notifier.deps.pool.fetchval("SELECT extract(epoch FROM due_at - now()) FROM deliveries")

        assert 55 < wait <= 75


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"],
)
async def test_nothing_inside_is_reached_however_it_is_written(hook: Receiver, host: str) -> None:
    """Loopback in every spelling is refused before anything is sent."""
    async with poster() as posting:
        with pytest.raises(Undeliverable):
            await posting.send(delivery(f"http://{host}:{hook.port}/"))

    assert hook.requests == []


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(hook: Receiver) -> None:
    """A name server that answers twice is asked once, and one private address among many is one too many."""
    resolver = Resolver("127.0.0.1", "203.0.113.1")
    async with poster(allow_private=True, resolve=resolver) as posting:
        await posting.send(delivery(f"http://hooks.example:{hook.port}/hook"))

    assert resolver.asked == [("hooks.example", hook.port)]
    assert hook.requests[0].headers["host"] == f"hooks.example:{hook.port}"

    async def both(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8", "127.0.0.1"]

    async with poster(resolve=both) as posting:
        with pytest.raises(Undeliverable, match="not public"):
            await posting.send(delivery(f"http://hooks.example:{hook.port}/hook"))


async def test_environment_proxies_are_not_used(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names anew, and reach what we may not."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with poster(allow_private=True) as posting:
        await posting.send(delivery(f"{hook.origin}/hook"))

    assert len(hook.requests) == 1


async def test_the_certificate_must_be_the_names(tmp_path: Path) -> None:
    """Connecting to an address, we still ask for and verify the certificate of the name in the URL."""
    authority = Authority(tmp_path)
    async with (
        http_server(certificate=authority.issue("hooks.example")) as hook,
        poster(allow_private=True, tls=authority.client(), resolve=Resolver("127.0.0.1", "127.0.0.1")) as posting,
    ):
        await posting.send(delivery(f"https://hooks.example:{hook.port}/hook"))
        with pytest.raises(TryLater, match="could not be reached"):
            await posting.send(delivery(f"https://other.example:{hook.port}/hook"))

        assert len(hook.requests) == 1


@pytest.mark.parametrize("secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_%", "whsec_c2hvcnQ="])
async def test_a_wrong_secret_is_refused_at_the_start(secret: str) -> None:
    """A secret that is none would sign nothing."""
    with pytest.raises(ValueError, match="whsec_ and the base64"):
        async with webhook.connect(secret, allow_private=False, public_url="http://localhost:8700", send_timeout=5):
            pass
