"""Slack's API, as far as we use it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from starlette.responses import Response

from kit.http import Receiver, slack_error, slack_server
from placet_contracts.destinations import Slack

Run = Callable[..., AbstractAsyncContextManager[Any]]

POST = "/api/chat.postMessage"
LOOKUP = "/api/users.lookupByEmail"


@pytest.fixture
async def slack() -> AsyncIterator[Receiver]:
    async with slack_server() as receiver:
        yield receiver


@pytest.fixture
def settings(slack: Receiver) -> dict[str, str]:
    return {"slack_token": "xoxb-1", "slack_base_url": f"{slack.origin}/api/"}


@pytest.mark.parametrize(
    ("destination", "channel", "thread"),
    [
        (Slack(channel_id="C9"), "C9", None),
        (Slack(channel_id="C9", thread_ts="1700.1"), "C9", "1700.1"),
        (Slack(user_id="U9"), "U9", None),
        (Slack(email="ana@example.com"), "U0ANA", None),
    ],
)
async def test_a_message_goes_to_channel_thread_or_person(
    run: Run, slack: Receiver, settings: dict[str, str], destination: Slack, channel: str, thread: str | None
) -> None:
    """Each kind of destination becomes the channel that Slack knows; people are found by their address."""
    async with run(**settings) as running:
        await running.timeline.open_approval(destination)
        [sent] = await running.timeline.until("sent")
        [post] = slack.to(POST)

        assert (post.json["channel"], post.json.get("thread_ts")) == (channel, thread)
        assert post.json["client_msg_id"] == str(sent.delivery_id)
        assert post.headers["authorization"] == "Bearer xoxb-1"
        assert len(slack.to(LOOKUP)) == (destination.email is not None)


async def test_a_rate_limit_is_honoured(run: Run, slack: Receiver, settings: dict[str, str]) -> None:
    """After a 429 the next try waits for as long as Slack asks for."""
    slack.answers[POST].append(slack_error("ratelimited", 429, retry_after="60"))
    async with run(**settings) as running:
        await running.timeline.open_approval(Slack(channel_id="C9"))
        [retrying] = await running.timeline.until("retrying")
        wait = await running.notifier.deps.pool.fetchval("SELECT extract(epoch FROM due_at - now()) FROM deliveries")

        assert retrying.error == "Slack answered ratelimited"
        assert 55 < wait <= 75
        assert len(slack.requests) == 1


@pytest.mark.parametrize("answer", [slack_error("internal_error"), Response("<html>", 502, media_type="text/html")])
async def test_a_fault_of_slack_is_waited_out(
    run: Run, slack: Receiver, settings: dict[str, str], answer: Response
) -> None:
    """Its own errors, and those of what stands before it, are tried again under the same id."""
    slack.answers[POST].append(answer)
    async with run(**settings) as running:
        await running.timeline.open_approval(Slack(channel_id="C9"))
        await running.timeline.until("sent")
        first, second = slack.to(POST)

        assert first.json == second.json


@pytest.mark.parametrize(
    ("path", "code"), [(POST, "channel_not_found"), (POST, "invalid_auth"), (LOOKUP, "users_not_found")]
)
async def test_what_slack_refuses_fails_at_once(
    run: Run, slack: Receiver, settings: dict[str, str], path: str, code: str
) -> None:
    """The timeline shows Slack's own word for why."""
    slack.answers[path].append(slack_error(code))
    async with run(**settings) as running:
        await running.timeline.open_approval(Slack(email="ana@example.com"))
        [failed] = await running.timeline.until("failed")

        assert failed.error == f"Slack answered {code}"
        assert failed.attempts == 1
