"""Slack: one message with a link button. Nothing that an author writes can mention, unfurl or format as a link."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from placet_contracts.destinations import Slack
from placet_notifier.channels.clock import within
from placet_notifier.channels.content import Content, compose
from placet_notifier.domain import Delivery, SendFailed, TryLater, Undeliverable, retry_after

_MESSAGE = 2_800  # characters; a section holds 3,000
_SECTION = 3_000
_HEADER = 150
_FALLBACK = 300
_TRANSIENT = frozenset(
    {
        "ratelimited",
        "rate_limited",
        "message_limit_exceeded",
        "fatal_error",
        "internal_error",
        "service_unavailable",
        "request_timeout",
        "duplicate_message_not_found",
    }
)


class Messenger:
    """Posts as one Slack app."""

    def __init__(self, client: AsyncWebClient, *, public_url: str, send_timeout: float) -> None:
        self._client = client
        self._public_url = public_url
        self._timeout = send_timeout

    async def send(self, delivery: Delivery) -> None:
        destination = delivery.destination
        if not isinstance(destination, Slack):
            raise Undeliverable("not a Slack destination")
        message = render(compose(delivery.notice, self._public_url, limit=_MESSAGE))
        try:
            async with within(self._timeout, "Slack"):
                await self._client.chat_postMessage(
                    channel=await self._channel(destination),
                    thread_ts=destination.thread_ts,
                    # Slack posts a repeated id once; its own clients send it to be able to try again.
                    client_msg_id=str(delivery.id),
                    **message,
                )
        except SlackApiError as error:
            raise _failure(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise TryLater(f"Slack could not be reached ({type(error).__name__})", str(error)) from error

    async def _channel(self, destination: Slack) -> str:
        if destination.email is not None:
            found = await self._client.users_lookupByEmail(email=destination.email)
            return str(found["user"]["id"])
        return destination.channel_id or destination.user_id or ""


@asynccontextmanager
async def connect(token: str, *, base_url: str, public_url: str, send_timeout: float) -> AsyncIterator[Messenger]:
    """A messenger with its own pool of connections."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=send_timeout)) as session:
        client = AsyncWebClient(token, base_url=base_url, session=session, retry_handlers=[])
        yield Messenger(client, public_url=public_url, send_timeout=send_timeout)


def render(content: Content) -> dict[str, Any]:
    """The arguments of ``chat.postMessage`` that carry the content."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": escape(content.title, _HEADER), "emoji": False}}
    ]
    if content.message:
        blocks.append(_section(escape(content.message, _SECTION)))
    if content.context:
        blocks.append(_section(_cut("\n".join(f"*{escape(k)}:* {escape(v)}" for k, v in content.context), _SECTION)))
    if content.shortened:
        blocks.append(_context("This is shortened. Open it to read all of it."))
    blocks.append(_context("  ·  ".join(f"{escape(k)}: {escape(v)}" for k, v in content.facts)))
    blocks.append(
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "placet.open",
                    "text": {"type": "plain_text", "text": "Review and decide" if content.asks else "Open the run"},
                    "url": content.url,
                }
            ],
        }
    )
    return {
        "text": escape(content.title, _FALLBACK),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
        "link_names": False,
        "parse": "none",
    }


def escape(text: str, limit: int = _SECTION) -> str:
    """For any text object: ``<!channel>``, ``<@user>`` and ``<url|text>`` become what they look like."""
    return _cut(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), limit)


def _cut(escaped: str, limit: int) -> str:
    if len(escaped) <= limit:
        return escaped
    return re.sub(r"&\w{0,3}$", "", escaped[: limit - 1]) + "…"  # not in the middle of an entity


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(text, _SECTION), "verbatim": True}]}


def _wait(headers: Mapping[str, str]) -> timedelta | None:
    return retry_after(headers.get("Retry-After"), datetime.now(UTC))


def _failure(error: SlackApiError) -> SendFailed:
    response = error.response
    status: int = getattr(response, "status_code", 0)
    headers: Mapping[str, str] = getattr(response, "headers", {})
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    if status == 429 or status >= 500 or code is None:
        return TryLater(f"Slack answered {code or f'HTTP {status}'}", after=_wait(headers))
    kind = TryLater if code in _TRANSIENT else Undeliverable
    return kind(f"Slack answered {code}")
