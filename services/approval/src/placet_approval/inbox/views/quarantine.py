"""Messages that services could not take in: the list, one of them, and what is done about them."""

from collections.abc import Sequence
from typing import Any, get_args
from urllib.parse import urlencode

from pydantic_core import from_json
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.api import paging
from placet_approval.api.quarantine import name_of
from placet_approval.domain import ApprovalError, NotFound
from placet_approval.handlers import quarantine
from placet_approval.identity import Unfit
from placet_approval.inbox.visits import View, Visit, does, shows
from placet_approval.inbox.words import plural
from placet_approval.live import topic
from placet_approval.quarantined import Name
from placet_contracts.events import EVENTS, Handling
from placet_contracts.topology import SERVICES

_PAGE = 50
_MOST = 200  # at a time
_MOVES = topic(quarantine.TOPIC)
_TYPES = [*sorted(EVENTS), "dead"]


async def list_messages(visit: Visit) -> Response:
    """What is in quarantine, the latest first."""
    filters = {name: visit.query(name) for name in ("service", "type")}
    try:
        after = paging.after(visit.query("cursor") or None, name_of)
    except ValueError:
        raise Unfit("this link leads to no page of the list") from None
    found = await quarantine.listed(
        visit.deps,
        service=filters["service"] or None,
        event_type=filters["type"] or None,
        after=after,
        limit=_PAGE + 1,
    )
    messages, cursor = paging.page([(each, each.at, f"{each.service}/{each.id}") for each in found], _PAGE)
    return visit.page(
        "quarantine/list.html",
        section="quarantine",
        messages=messages,
        count=await quarantine.count(visit.deps),
        counted=quarantine.COUNTED,
        filters=filters,
        filtered=any(filters.values()),
        services=SERVICES,
        types=_TYPES,
        here=_url("/quarantine", **filters, cursor=visit.query("cursor")),
        first=_url("/quarantine", **filters) if after else None,
        next=_url("/quarantine", **filters, cursor=cursor) if cursor else None,
        moves=_MOVES,
    )


async def show_message(visit: Visit) -> Response:
    """One message, what it holds, and what can be done about it."""
    message = await quarantine.get(visit.deps, _name(visit.request.path_params))
    return visit.page(
        "quarantine/message.html",
        section="quarantine",
        message=message,
        moves=topic(message.id),
        **_content(message.body or ""),
    )


async def confirm(visit: Visit) -> Response:
    """Asks whether this is meant, about one message or several."""
    action = visit.query("action")
    if action not in get_args(Handling):
        raise Unfit("there is nothing of that kind to do")
    names = _names(visit.request.query_params.getlist("id"))
    found = await quarantine.find(visit.deps, names)
    messages = [message for message in found if message.outcome is None and not message.waits]
    return visit.page(
        "quarantine/confirm.html",
        section="quarantine",
        action=action,
        messages=messages,
        others=len(names) - len(messages),
    )


def handle(action: Handling) -> View:
    """Have it done, as far as it can be."""

    async def view(visit: Visit) -> Response:
        names = _names(visit.form_list("id"))
        answers = await quarantine.ask(visit.deps, names, action, visit.caller.actor)
        refused = [answer for answer in answers if isinstance(answer, ApprovalError)]
        if len(names) == 1:
            if refused:
                raise refused[0]
            return visit.go(f"/quarantine/{names[0].service}/{names[0].id}")
        told, tone = _told(action, len(names) - len(refused), refused)
        return visit.go("/quarantine", told=told, tone=tone)

    return view


ROUTES = [
    Route("/quarantine", shows(list_messages, "manage"), methods=["GET"]),
    Route("/quarantine/confirm", shows(confirm, "manage"), methods=["GET"]),
    Route("/quarantine/replay", does(handle("replay"), "manage"), methods=["POST"]),
    Route("/quarantine/discard", does(handle("discard"), "manage"), methods=["POST"]),
    Route("/quarantine/{service}/{id}", shows(show_message, "manage"), methods=["GET"]),
]


def _told(action: Handling, done: int, refused: Sequence[ApprovalError]) -> tuple[str, str]:
    will = "taken in again" if action == "replay" else "deleted"
    told = f"{plural(done, 'message')} will be {will}." if done else "Nothing was done."
    if not refused:
        return told, "good"
    rest = f"{plural(len(refused), 'message')} could not: {refused[0]}."
    return f"{told} {rest}", "warn"


def _content(body: str) -> dict[str, Any]:
    """What a message says: as JSON, where it is some."""
    try:
        return {"value": from_json(body, allow_inf_nan=False), "is_json": True}
    except ValueError:
        return {"value": None, "is_json": False}


def _name(params: dict[str, str]) -> Name:
    return _names([f"{params['service']}/{params['id']}"])[0]


def _names(texts: Sequence[str]) -> list[Name]:
    """Messages by their names in a form or an address, each once.

    Raises:
        NotFound: one is no name.
        Unfit: none was selected, or too many.
    """
    if not texts:
        raise Unfit("select at least one message")
    if len(texts) > _MOST:
        raise Unfit(f"select {_MOST} messages at most")
    names = []
    for text in texts:
        try:
            name = name_of(text)
        except ValueError:
            raise NotFound("message", repr(text)) from None
        if name.service not in SERVICES:
            raise NotFound("message", repr(text))
        names.append(name)
    return list(dict.fromkeys(names))


def _url(path: str, **query: str | None) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path
