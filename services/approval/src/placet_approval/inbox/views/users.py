"""All users, and new ones."""

from collections.abc import Iterable
from typing import get_args
from urllib.parse import quote, urlencode

import structlog
from starlette.responses import Response
from starlette.routing import Route

from placet_approval import identity
from placet_approval.domain import Role
from placet_approval.handlers import users
from placet_approval.identity import IdentityTaken, NameTaken, Unfit, UserChange
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import page
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.store import identities, sessions

log = structlog.get_logger()

ROLES: tuple[Role, ...] = get_args(Role)
_PAGE = 50


async def list_users(visit: Visit) -> Response:
    """Users by handle, a page of them; with ``q``, those that it fits."""
    search, after = visit.query("q").strip(), visit.query("after")
    async with visit.deps.pool.acquire() as conn:
        found = await identities.every_user(conn, after=after, limit=_PAGE + 1, search=search or None)
        seen = await sessions.last_seen(conn, [each.id for each in found])
    shown = found[:_PAGE]
    return page(
        visit,
        "users.html",
        tab="users",
        users=shown,
        seen=seen,
        search=search,
        first=_at(search) if after else None,
        next=_at(search, shown[-1].handle) if len(found) > _PAGE else None,
    )


async def new(visit: Visit) -> Response:
    """The form of a new user."""
    return _form(visit, Fields(), {"approver"})


async def create(visit: Visit) -> Response:
    """Makes a user."""
    fields, chosen = Fields(visit.form), roles(visit.form_list("roles"))
    handle = fields.read("handle", identity.handle, Unfit)
    emails: list[str] = []
    with fields.beside("emails", Unfit):
        emails = [identity.email(text) for text in fields.words("emails")]
    if handle is not None and not fields.errors:
        change = UserChange(handle, name=fields.text("name") or None, roles=chosen, emails=frozenset(emails))
        async with visit.deps.pool.acquire() as conn:
            with (
                fields.beside("handle", NameTaken),
                fields.beside("emails", IdentityTaken),
                fields.beside("name", Unfit),
            ):
                await users.create(conn, change, visit.caller.actor)
                log.info("user.created", handle=handle, by=visit.caller.actor)
                return visit.go(address(handle), f"The user {handle} is made. Make a login link to let them in.")
    return _form(visit, fields, chosen, 422)


def roles(names: Iterable[str]) -> frozenset[Role]:
    """Roles by their names; there are no others."""
    return frozenset(role for role in ROLES if role in set(names))


def address(handle: str) -> str:
    """Where a user's page is."""
    return f"/settings/users/{quote(handle, safe='')}"


ROUTES = [
    Route("/settings/users", shows(list_users, "manage"), methods=["GET"]),
    both("/settings/new-user", shows(new, "manage"), does(create, "manage")),
]


def _form(visit: Visit, fields: Fields, chosen: Iterable[str], status: int = 200) -> Response:
    return page(visit, "new_user.html", tab="users", status=status, fields=fields, chosen=set(chosen), roles=ROLES)


def _at(search: str, after: str | None = None) -> str:
    query = {name: value for name, value in (("q", search), ("after", after)) if value}
    return "/settings/users" + (f"?{urlencode(query)}" if query else "")
