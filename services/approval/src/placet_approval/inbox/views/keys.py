"""API keys."""

from datetime import UTC, datetime, timedelta

import structlog
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.domain import KeyNameTaken, NotFound, Role
from placet_approval.handlers import keys
from placet_approval.identity import ApiKey, Unfit, within
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import confirm, named, page
from placet_approval.inbox.views.users import ROLES
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.store import identities
from placet_approval.store import keys as key_store

log = structlog.get_logger()

_MOST_NAMES = 500  # that the browser proposes
_MOST_SHOWN = 1000
_LONGEST_DAYS = 3660


async def list_keys(visit: Visit) -> Response:
    """Keys that are valid, or with ``show=all`` those too that are not any more."""
    every = visit.query("show") == "all"
    async with visit.deps.pool.acquire() as conn:
        found = await key_store.every(conn)
    now = datetime.now(UTC)
    stated = [(each, each.state(now)) for each in reversed(found)]
    shown = [each for each in stated if every or each[1] == "valid"]
    return page(
        visit,
        "keys.html",
        tab="keys",
        keys=shown[:_MOST_SHOWN],
        more=max(0, len(shown) - _MOST_SHOWN),
        every=every,
        hidden=len(stated) - len(shown),
    )


async def new(visit: Visit) -> Response:
    """The form of a new key."""
    return await _form(visit, Fields(role="starter", days="90", owner=visit.query("owner")))


async def create(visit: Visit) -> Response:
    """Makes a key, and shows it: in this answer, and nowhere else."""
    fields = Fields(visit.form)
    role = next((each for each in ROLES if each == fields["role"]), None)
    if role is None:
        fields.wrong("role", "choose one")
    lifetime = _lifetime(fields)
    if role is None or fields.errors:
        return await _form(visit, fields, 422)
    key = await _make(visit, fields, role, lifetime)
    if key is None:
        return await _form(visit, fields, 422)
    name, owner = fields.text("name"), fields.text("owner")
    log.info("key.created", name=name, role=role, owner=owner or None, by=visit.caller.actor)
    return page(
        visit,
        "secret.html",
        tab="keys",
        title=f"The key {name}",
        secret=key,
        name="API key",
        points=(
            "This is the only time that it is shown: keep it where secrets are kept.",
            f"Whoever has it can do what the role {role} is for.",
        ),
        back="/settings/keys",
        back_to="API keys",
    )


async def ask_to_revoke(visit: Visit) -> Response:
    """Says what comes of it."""
    key = await _key(visit)
    return confirm(
        visit,
        tab="keys",
        title=f"Revoke the key {key.name}?",
        points=(
            "Its next request is refused, and what uses it stops working.",
            "This cannot be taken back, and the name is never given again.",
        ),
        action=f"/settings/keys/{key.id}/revoke",
        button="Revoke",
        back="/settings/keys",
    )


async def revoke(visit: Visit) -> Response:
    """Revokes a key."""
    key = await _key(visit)
    async with visit.deps.pool.acquire() as conn:
        await keys.revoke(conn, key.id, visit.caller.actor)
    log.info("key.revoked", name=key.name, by=visit.caller.actor)
    return visit.go("/settings/keys", f"The key {key.name} is revoked.")


ROUTES = [
    Route("/settings/keys", shows(list_keys, "manage"), methods=["GET"]),
    both("/settings/new-key", shows(new, "manage"), does(create, "manage")),
    both("/settings/keys/{id}/revoke", shows(ask_to_revoke, "manage"), does(revoke, "manage")),
]


async def _form(visit: Visit, fields: Fields, status: int = 200) -> Response:
    async with visit.deps.pool.acquire() as conn:
        people = await identities.every_user(conn, limit=_MOST_NAMES)
    shown = [each for each in people if not each.disabled]
    return page(visit, "new_key.html", tab="keys", status=status, fields=fields, roles=ROLES, people=shown)


async def _make(visit: Visit, fields: Fields, role: Role, lifetime: timedelta | None) -> str | None:
    """The new key; ``None`` where one cannot be made, which the fields say."""
    owner = fields.text("owner").removeprefix("user:") or None
    async with visit.deps.pool.acquire() as conn:
        if owner is not None and owner not in (found := await identities.users(conn, [owner])):
            fields.wrong("owner", f"there is no user {owner}")
            return None
        beside = "name" if owner is None or within(role, found[owner].roles) else "role"
        with fields.beside("name", KeyNameTaken), fields.beside(beside, Unfit):
            return await keys.create(
                conn, fields.text("name"), role, owner=owner, lifetime=lifetime, by=visit.caller.actor
            )
    return None


def _lifetime(fields: Fields) -> timedelta | None:
    """How long the key is to be valid; ``None``: until it is revoked."""
    days = fields.text("days")
    if not days:
        return None
    if not days.isascii() or not days.isdecimal() or not 0 < int(days[:9]) <= _LONGEST_DAYS:
        fields.wrong("days", f"a number of days, up to {_LONGEST_DAYS}, or nothing")
        return None
    return timedelta(days=int(days))


async def _key(visit: Visit) -> ApiKey:
    id = named(visit, "id", "key")
    async with visit.deps.pool.acquire() as conn:
        key = await key_store.get(conn, id)
    if key is None or key.id != id:
        raise NotFound("key", id)
    return key
