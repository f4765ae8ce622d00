"""The operations on messages that services could not take in."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from placet_approval.api import paging, problems
from placet_approval.api.endpoints import Call, Endpoint, respond
from placet_approval.api.schemas import PageQuery, Text, View
from placet_approval.api.services import of, uuid_of
from placet_approval.domain import ApprovalError, NotFound
from placet_approval.handlers import quarantine
from placet_approval.quarantined import Left, Name
from placet_contracts.base import Model
from placet_contracts.events import Handling
from placet_contracts.topology import SERVICES, Service


class QuarantineQuery(PageQuery):
    """Which messages."""

    service: Service | None = None
    type: Text | None = None


class QuarantinedView(View):
    """A message that a service could not take in.

    ``asked``: what somebody wants done, until its service tells that it is; ``refusedAt``: it was taken in again, and
    refused once more; ``outcome``: it has left.
    """

    service: str
    id: UUID
    event_type: str
    source: str | None
    event_id: str | None
    reason: str
    at: datetime
    size: int
    asked: Handling | None
    asked_by: str | None
    asked_at: datetime | None
    refused_at: datetime | None
    outcome: Left | None
    released_by: str | None
    released_at: datetime | None


class QuarantinedMessage(QuarantinedView):
    """A message with its bytes as text, 16 KiB of them at most; none once it has left."""

    body: str
    truncated: bool


class QuarantinePage(Model):
    """Some messages, the latest first; ``nextCursor`` leads to the next page, and is null on the last."""

    items: list[QuarantinedView]
    next_cursor: str | None


async def list_quarantine(call: Call) -> Model | Response:
    """List the messages that services could not take in, the latest first."""
    query: QuarantineQuery = call.query
    try:
        after = paging.after(query.cursor, name_of)
    except ValueError:
        return problems.bad_cursor()
    found = await quarantine.listed(
        of(call).deps, service=query.service, event_type=query.type, after=after, limit=query.limit + 1
    )
    items, cursor = paging.page([(each, each.at, f"{each.service}/{each.id}") for each in found], query.limit)
    page = QuarantinePage(items=[QuarantinedView.model_validate(item) for item in items], next_cursor=cursor)
    return respond(page, headers=paging.link(call, cursor))


async def get_quarantined(call: Call) -> Model:
    """Get one, with its body; one that has left is there for some days."""
    return QuarantinedMessage.model_validate(await quarantine.get(of(call).deps, _name(call)))


async def replay_quarantined(call: Call) -> Model:
    """Have its service take it in again. Answered once that is asked for; asking again is no error."""
    return await _ask(call, "replay")


async def discard_quarantined(call: Call) -> Model:
    """Have its service delete it. Answered once that is asked for; asking again is no error."""
    return await _ask(call, "discard")


ENDPOINTS: Sequence[Endpoint] = (
    Endpoint(
        "GET", "/v1/quarantine", "manage", list_quarantine, QuarantinePage, query=QuarantineQuery, problems=(422,)
    ),
    Endpoint("GET", "/v1/quarantine/{service}/{id}", "manage", get_quarantined, QuarantinedMessage, problems=(404,)),
    Endpoint(
        "POST",
        "/v1/quarantine/{service}/{id}/replay",
        "manage",
        replay_quarantined,
        QuarantinedMessage,
        status=202,
        problems=(404, 409),
    ),
    Endpoint(
        "POST",
        "/v1/quarantine/{service}/{id}/discard",
        "manage",
        discard_quarantined,
        QuarantinedMessage,
        status=202,
        problems=(404, 409),
    ),
)


def name_of(text: str) -> Name:
    """A message's name out of ``service/id``.

    Raises:
        ValueError: it is none.
    """
    service, _, id = text.partition("/")
    return Name(service, UUID(id))


async def _ask(call: Call, action: Handling) -> Model:
    [message] = await quarantine.ask(of(call).deps, [_name(call)], action, call.caller.actor)
    if isinstance(message, ApprovalError):
        raise message
    return QuarantinedMessage.model_validate(message)


def _name(call: Call) -> Name:
    service: str = call.request.path_params["service"]
    if service not in SERVICES:
        raise NotFound("service", repr(service))
    return Name(service, uuid_of(call, "message"))
