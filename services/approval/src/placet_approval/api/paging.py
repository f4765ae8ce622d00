"""Cursors: where a page ends, and the next one begins."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from placet_approval.api.endpoints import Call

T = TypeVar("T")


def page(found: Sequence[tuple[T, datetime, object]], limit: int) -> tuple[list[T], str | None]:
    """The items of one page out of one more than that, and the cursor to the next page if there is one."""
    shown = found[:limit]
    if len(found) <= limit:
        return [item for item, _, _ in shown], None
    _, at, id = shown[-1]
    place = json.dumps([at.isoformat(), str(id)]).encode()
    return [item for item, _, _ in shown], base64.urlsafe_b64encode(place).decode().rstrip("=")


def after(cursor: str | None, id: Callable[[str], T]) -> tuple[datetime, T] | None:
    """The place that a cursor stands for; ``id`` reads what it has beside the time.

    Raises:
        ValueError: it is none that a page has given.
    """
    if cursor is None:
        return None
    try:
        at, text = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = datetime.fromisoformat(at)
        if place.tzinfo is None or "\0" in text:
            raise ValueError("a cursor's time has a zone, and its id no NUL")
        return place.astimezone(UTC), id(text)
    except (TypeError, UnicodeError, OverflowError) as error:
        raise ValueError("not a cursor") from error


def link(call: Call, cursor: str | None) -> dict[str, str] | None:
    """The header that leads to the next page."""
    if cursor is None:
        return None
    url = call.request.url.include_query_params(cursor=cursor)
    return {"Link": f'<{url.path}?{url.query}>; rel="next"'}
