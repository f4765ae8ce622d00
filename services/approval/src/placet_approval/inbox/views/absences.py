"""Who stands in for whom while they are away."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.handlers import delegations
from placet_approval.identity import Unfit
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import page, uuid_of
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.policy.people import may_decide
from placet_approval.store import identities

log = structlog.get_logger()

_MOST_NAMES = 500  # that the browser proposes
_SENT = "%Y-%m-%dT%H:%M"


async def absences(visit: Visit) -> Response:
    """Who stands in for this person, and for whom they do; of admins, all there are."""
    return await _show(visit, _empty(visit))


async def add(visit: Visit) -> Response:
    """Has somebody stand in."""
    fields = Fields(visit.form, principal=visit.person.handle)
    zone = _zone(fields)
    starts_at = fields.read("starts", lambda text: _moment(text, zone), ValueError)
    ends_at = fields.read("ends", lambda text: _moment(text, zone), ValueError)
    if not fields.text("delegate"):
        fields.wrong("delegate", "say who stands in")
    if starts_at is None or ends_at is None or fields.errors:
        return await _show(visit, fields, 422)
    principal, delegate = f"user:{fields.text('principal')}", f"user:{fields.text('delegate')}"
    try:
        made = await delegations.add(visit.deps, visit.caller, principal, delegate, (starts_at, ends_at))
    except Unfit as error:
        field, _, why = str(error).partition(": ")
        fields.wrong(_FIELDS[field], _WORDS.get(field, why))
        return await _show(visit, fields, 422)
    log.info("delegation.made", delegation=str(made.id), by=visit.caller.actor)
    return visit.go("/settings/away", f"{fields.text('delegate')} stands in for {fields.text('principal')}.")


async def end(visit: Visit) -> Response:
    """Ends it at once."""
    ended = await delegations.end(visit.deps, visit.caller, uuid_of(str(visit.request.path_params["id"]), "delegation"))
    log.info("delegation.ended", delegation=str(ended.id), by=visit.caller.actor)
    return visit.go("/settings/away", "That has ended.")


ROUTES = [
    both("/settings/away", shows(absences), does(add, "decide")),
    Route("/settings/away/{id}/end", does(end, "decide"), methods=["POST"]),
]

_FIELDS = {"principal": "principal", "delegate": "delegate", "endsAt": "ends"}
_WORDS = {"endsAt": "this is not later than the beginning"}


async def _show(visit: Visit, fields: Fields, status: int = 200) -> Response:
    actor, manages = f"user:{visit.person.handle}", visit.caller.may("manage")
    found = await delegations.listed(visit.deps)
    async with visit.deps.pool.acquire() as conn:
        people = await identities.every_user(conn, limit=_MOST_NAMES)
    return page(
        visit,
        "absences.html",
        tab="away",
        status=status,
        fields=fields,
        own=[each for each in found if each.principal == actor],
        for_others=[each for each in found if each.delegate == actor],
        others=[each for each in found if manages and actor not in (each.principal, each.delegate)],
        people=[each for each in people if may_decide(each)],
        now=datetime.now(UTC),
        manages=manages,
        decides=visit.caller.may("decide"),
    )


def _empty(visit: Visit) -> Fields:
    """From the next full hour on, for a week."""
    starts_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    ends_at = starts_at + timedelta(days=7)
    return Fields(
        principal=visit.person.handle, starts=starts_at.strftime(_SENT), ends=ends_at.strftime(_SENT), zone="UTC"
    )


def _zone(fields: Fields) -> ZoneInfo:
    """The time zone that the browser has said, where it has scripts; else the one that the form says."""
    try:
        return ZoneInfo(fields.text("zone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("say a day and a time, such as 2026-12-21 09:00") from None
