"""What every channel tells, as plain text of bounded size, before a channel puts it into its own form."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json

from placet_notifier.domain import Notice

_TITLE = 150
_ITEMS = 20
_KEY = 80
_VALUE = 500
_ZERO_WIDTH_JOINER = "\u200d"  # holds emoji together; else what is not printable may be there to deceive


@dataclass(frozen=True, slots=True)
class Content:
    """A notice in words. Where something was left out ``shortened`` is set, and ``url`` leads to all of it."""

    title: str  # a single line
    message: str
    facts: Sequence[tuple[str, str]]
    context: Sequence[tuple[str, str]]
    shortened: bool
    asks: bool  # for a decision
    url: str


def compose(notice: Notice, public_url: str, *, limit: int) -> Content:
    """Up to ``limit`` characters of the message, and as much again of the context."""
    message = plain(notice.message or "")
    items = [(one_line(key), plain(value)) for key, value in _items(notice.context)]
    context = list(_fitting(items[:_ITEMS], limit))
    return Content(
        title=shorten(_title(notice), _TITLE),
        message=shorten(message, limit),
        facts=list(_facts(notice)),
        context=context,
        shortened=len(message) > limit or context != items,
        asks=notice.approval_id is not None,
        url=link(notice, public_url),
    )


def link(notice: Notice, public_url: str) -> str:
    """Where the whole of it can be read. Opening it decides nothing."""
    if notice.approval_id is not None:
        return f"{public_url}/approvals/{notice.approval_id}"
    return f"{public_url}/runs/{quote(notice.run_id, safe='')}"


def shorten(text: str, limit: int) -> str:
    """The text, cut to ``limit`` characters with an ellipsis at the end if it is longer."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def plain(text: str) -> str:
    """Without control characters, lone surrogates and marks that turn the direction of writing."""
    return "\n".join(_printable(line.expandtabs(4)) for line in text.splitlines()).strip()


def one_line(text: str) -> str:
    return _printable(" ".join(text.split()))


def _printable(text: str) -> str:
    spaced = (" " if c.isspace() else c for c in text)
    return "".join(c for c in spaced if c.isprintable() or c == _ZERO_WIDTH_JOINER)


_AGAIN = {"reminder": "Reminder: ", "escalation": "Nobody has decided: ", None: ""}


def _title(notice: Notice) -> str:
    return _AGAIN[notice.again] + _subject(notice)


def _subject(notice: Notice) -> str:
    if notice.title and (title := one_line(notice.title)):
        return title
    if notice.approval_id is not None:
        return f"Approval needed: {notice.workflow}"
    first = next(iter(plain(notice.message or "").splitlines()), "")
    return f"{notice.workflow}: {one_line(first)}" if first else f"Message from {notice.workflow}"


def _facts(notice: Notice) -> Iterator[tuple[str, str]]:
    version = f", version {notice.version}" if notice.version is not None else ""
    yield "Workflow", f"{notice.workflow}{version}"
    if notice.gate is not None:
        yield "Gate", notice.gate
    yield "Run", notice.run_id
    if notice.requested_by is not None:
        yield "Requested by", one_line(notice.requested_by)
    if notice.expires_at is not None:
        yield "Expires", _moment(notice.expires_at)


def _moment(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def _items(context: Any) -> list[tuple[str, str]]:
    if context is None:
        return []
    if isinstance(context, Mapping):
        return [(str(key), _text(value)) for key, value in context.items()]
    if isinstance(context, list):
        return [(str(number), _text(value)) for number, value in enumerate(context, start=1)]
    return [("Context", _text(context))]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return to_json(value).decode()


def _fitting(items: Sequence[tuple[str, str]], limit: int) -> Iterator[tuple[str, str]]:
    left = limit
    for key, value in items:
        item = shorten(key, _KEY), shorten(value, _VALUE)
        left -= len(item[0]) + len(item[1])
        if left < 0:
            return
        yield item
