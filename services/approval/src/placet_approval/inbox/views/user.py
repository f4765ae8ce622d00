"""One user: what they may do, by what they are known, in which groups they are, and how they get in."""

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.handlers import groups, sessions, users
from placet_approval.handlers.sessions import LINK_LIFETIME
from placet_approval.identity import IdentityTaken, LastAdmin, Links, Unfit, User, UserChange
from placet_approval.inbox import agents
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import confirm, named, page, uuid_of
from placet_approval.inbox.views.users import ROLES, address, roles
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.store import identities
from placet_approval.store import keys as key_store
from placet_approval.store import sessions as session_store

log = structlog.get_logger()

KINDS: Mapping[str, str] = {  # fields of `Links`, in words
    "emails": "E-mail address",
    "slack": "Slack user",
    "aliases": "Alias",
    "logins": "Account at the sign-in provider",
}


async def show(visit: Visit) -> Response:
    """All there is to a user."""
    return await _show(visit, Fields())


async def change(visit: Visit) -> Response:
    """Changes a user's name and roles. Whoever takes the role admin from themselves must say that they know."""
    handle, fields, chosen = named(visit, "handle", "user"), Fields(visit.form), roles(visit.form_list("roles"))
    own = handle == visit.person.handle
    if own and "admin" in visit.person.roles and "admin" not in chosen and visit.form.get("aware") != "yes":
        fields.wrong("aware", "say that you know: you could not come back to these pages by yourself")
        return await _show(visit, fields, 422, chosen)
    async with visit.deps.pool.acquire() as conn:
        with fields.beside("roles", LastAdmin), fields.beside("name", Unfit):
            await users.change(conn, UserChange(handle, name=fields.text("name"), roles=chosen), by=visit.caller.actor)
            log.info("user.changed", handle=handle, by=visit.caller.actor)
            return visit.go("/settings" if own and "admin" not in chosen else address(handle), "Saved.")
    return await _show(visit, fields, 422, chosen)


async def link(visit: Visit) -> Response:
    """Links what somebody is known by, or takes it away."""
    handle, fields = named(visit, "handle", "user"), Fields(visit.form)
    kind, value = fields["kind"], fields.text("value")
    if kind not in KINDS:
        fields.wrong("value", "choose what it is")
        return await _show(visit, fields, 422)
    links = Links(**{kind: frozenset({value})})
    add, remove = (None, links) if fields["do"] == "unlink" else (links, None)
    async with visit.deps.pool.acquire() as conn:
        with fields.beside("value", Unfit, IdentityTaken):
            if kind == "logins" and add is not None:
                _require_login(value)
            await users.change(conn, UserChange(handle), add, remove, by=visit.caller.actor)
            log.info("user.changed", handle=handle, by=visit.caller.actor)
            return visit.go(address(handle), f"{KINDS[kind]} {'linked' if remove is None else 'taken away'}.")
    return await _show(visit, fields, 422)


async def change_groups(visit: Visit) -> Response:
    """Has somebody join a group, or leave it."""
    handle, group, leaves = named(visit, "handle", "user"), visit.form.get("group", ""), visit.form.get("do") == "leave"
    async with visit.deps.pool.acquire() as conn:
        await users.get(conn, handle)
        add, remove = ([], [handle]) if leaves else ([handle], [])
        await groups.change(conn, group, add=add, remove=remove, by=visit.caller.actor)
    log.info("group.changed", group=group, by=visit.caller.actor)
    return visit.go(address(handle), f"{handle} {'left' if leaves else 'joined'} {group}.")


async def ask_to_disable(visit: Visit) -> Response:
    """Says what comes of it."""
    return await _confirm_disabling(visit)


async def disable(visit: Visit) -> Response:
    """Disables a user; oneself only if one says that one knows."""
    handle = named(visit, "handle", "user")
    own = handle == visit.person.handle
    if own and visit.form.get("aware") != "yes":
        return await _confirm_disabling(visit, 422, "Say that you know.")
    try:
        async with visit.deps.pool.acquire() as conn:
            await users.change(conn, UserChange(handle, disabled=True), by=visit.caller.actor)
    except LastAdmin as error:
        return await _confirm_disabling(visit, 409, f"{error}.")
    log.info("user.changed", handle=handle, by=visit.caller.actor)
    return visit.go("/sign-in" if own else address(handle), f"{handle} is disabled.")


async def enable(visit: Visit) -> Response:
    """Lets a user in again."""
    handle = named(visit, "handle", "user")
    async with visit.deps.pool.acquire() as conn:
        await users.change(conn, UserChange(handle, disabled=False), by=visit.caller.actor)
    log.info("user.changed", handle=handle, by=visit.caller.actor)
    return visit.go(address(handle), f"{handle} can sign in again.")


async def login_link(visit: Visit) -> Response:
    """Makes a login link, and shows it: in this answer, and nowhere else."""
    handle = named(visit, "handle", "user")
    async with visit.deps.pool.acquire() as conn:
        path = await sessions.link(conn, handle)
    log.info("login_link.created", handle=handle, by=visit.caller.actor)
    return page(
        visit,
        "secret.html",
        tab="users",
        title=f"Login link of {handle}",
        secret=f"{visit.request.state.public_url}{path}",
        name="Login link",
        points=(
            f"It signs in once, within {LINK_LIFETIME.seconds // 60} minutes, as {handle}: send it to nobody else.",
            "It is not shown again. If it is lost, make another one.",
        ),
        back=address(handle),
        back_to=handle,
    )


async def end_sessions(visit: Visit) -> Response:
    """Signs a user out: of one browser, or everywhere."""
    handle, session = named(visit, "handle", "user"), visit.form.get("session")
    async with visit.deps.pool.acquire() as conn, conn.transaction():
        if session is None:
            ended = await sessions.end_of(conn, handle)
        else:
            await sessions.end_one(conn, handle, uuid_of(session, "session"))
            ended = 1
    log.info("sessions.ended", handle=handle, count=ended, by=visit.caller.actor)
    told = f"{handle} is signed out everywhere." if session is None else "That browser is signed out."
    return visit.go(address(handle), told)


_USER = "/settings/users/{handle}"

ROUTES = [
    both(_USER, shows(show, "manage"), does(change, "manage")),
    Route(f"{_USER}/links", does(link, "manage"), methods=["POST"]),
    Route(f"{_USER}/groups", does(change_groups, "manage"), methods=["POST"]),
    both(f"{_USER}/disable", shows(ask_to_disable, "manage"), does(disable, "manage")),
    Route(f"{_USER}/enable", does(enable, "manage"), methods=["POST"]),
    Route(f"{_USER}/login-link", does(login_link, "manage"), methods=["POST"]),
    Route(f"{_USER}/sessions", does(end_sessions, "manage"), methods=["POST"]),
]


async def _show(visit: Visit, fields: Fields, status: int = 200, chosen: frozenset[str] | None = None) -> Response:
    handle = named(visit, "handle", "user")
    async with visit.deps.pool.acquire() as conn:
        user = await users.get(conn, handle)
        all_groups = await identities.groups(conn)
        signed_in = await session_store.of_user(conn, handle, visit.request.state.access.lifetime.idle)
        keys = await key_store.owned(conn, handle)
        seen = (await session_store.last_seen(conn, [user.id])).get(user.id)
    return page(
        visit,
        "user.html",
        tab="users",
        status=status,
        user=user,
        own=user.handle == visit.person.handle,
        fields=fields,
        chosen=user.roles if chosen is None else chosen,
        roles=ROLES,
        kinds=KINDS,
        links=_links(user),
        groups=sorted(all_groups.keys() - user.groups),
        sessions=[(each, agents.in_words(each.agent)) for each in signed_in],
        current=visit.caller.session,
        keys=[(each, each.state(datetime.now(UTC))) for each in keys],
        seen=seen,
    )


async def _confirm_disabling(visit: Visit, status: int = 200, error: str | None = None) -> Response:
    handle = named(visit, "handle", "user")
    async with visit.deps.pool.acquire() as conn:
        user = await users.get(conn, handle)
    own = handle == visit.person.handle
    return confirm(
        visit,
        tab="users",
        status=status,
        error=error,
        title=f"Disable {'yourself' if own else user.name}?",
        points=(
            f"{handle} is signed out everywhere at once, and cannot sign in any more.",
            "Their API keys are refused.",
            "What they have decided stays, and they can be enabled again.",
        ),
        action=f"{address(handle)}/disable",
        button="Disable",
        aware="I know that I cannot sign in any more, until somebody else enables me." if own else None,
        back=address(handle),
    )


def _links(user: User) -> list[tuple[str, str]]:
    """All by which somebody is known: its kind, and itself."""
    return [(kind, value) for kind in KINDS for value in sorted(getattr(user, kind))]


def _require_login(value: str) -> None:
    issuer, _, subject = value.partition("#")
    if not issuer or not subject or not value.isprintable():
        raise Unfit("an account is <issuer>#<subject>")
