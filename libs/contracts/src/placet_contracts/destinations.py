"""Where a notification goes. In JSON: ``{"type": "email", "email": "ana@example.com"}`` and the like."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

_CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

# Stricter than RFC 5321 on purpose: no quoting, no comments, no controls, so nothing can leave its header.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


def address(value: str) -> str:
    """The value, if it is an e-mail address that can stand in a header.

    Raises:
        ValueError: it is not.
    """
    if not _ADDRESS.fullmatch(value) or ".." in value:
        raise ValueError("not an e-mail address")
    return value


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not value.isprintable():
        raise ValueError("not an http(s) URL")
    return value


EmailAddress = Annotated[str, AfterValidator(address)]
WebUrl = Annotated[str, AfterValidator(_web_url)]


@dataclass(frozen=True, config=_CONFIG)
class Email:
    """One mailbox: ``Email("ana@example.com")``."""

    email: EmailAddress
    type: Literal["email"] = Field(default="email", kw_only=True)

    def __str__(self) -> str:
        return self.email


@dataclass(frozen=True, config=_CONFIG, kw_only=True)
class Slack:
    """A Slack user (by id or e-mail address), or a channel, or a thread in it. Exactly one of the three."""

    type: Literal["slack"] = "slack"
    channel_id: str | None = None
    thread_ts: str | None = None
    user_id: str | None = None
    email: EmailAddress | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if sum(target is not None for target in (self.channel_id, self.user_id, self.email)) != 1:
            raise ValueError("name exactly one of channelId, userId and email")
        if self.thread_ts is not None and self.channel_id is None:
            raise ValueError("threadTs goes with channelId")
        return self

    def __str__(self) -> str:
        return self.channel_id or self.user_id or self.email or ""


@dataclass(frozen=True, config=_CONFIG)
class Webhook:
    """An HTTP endpoint that gets a signed POST: ``Webhook("https://example.com/hook")``."""

    url: WebUrl
    type: Literal["webhook"] = Field(default="webhook", kw_only=True)

    def __str__(self) -> str:
        return self.url


Destination = Annotated[Email | Slack | Webhook, Field(discriminator="type")]
