"""Changing users: what they are to be is compared with what they are, under one lock."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from placet_approval import identity
from placet_approval.domain import NotFound
from placet_approval.identity import Kind, LastAdmin, Links, NameTaken, Unfit, User, UserChange
from placet_approval.store import audit, identities, sessions
from placet_runtime.postgres import Connection


async def get(conn: Connection, handle: str) -> User:
    """A user.

    Raises:
        NotFound: there is none of that handle.
    """
    found = await identities.users(conn, [handle])
    if handle not in found:
        raise NotFound("user", handle)
    return found[handle]


async def create(conn: Connection, change: UserChange, by: str | None = None) -> User:
    """Make a user; ``by`` stands in the audit.

    Raises:
        NameTaken, IdentityTaken, Unfit: it cannot be.
    """
    async with conn.transaction():
        await identities.lock(conn)
        await audit.act(conn, by)
        if await identities.users(conn, [identity.handle(change.handle)]):
            raise NameTaken("user", change.handle)
        await save(conn, [change])
        return await get(conn, change.handle)


async def change(
    conn: Connection,
    change: UserChange,
    add: Links | None = None,
    remove: Links | None = None,
    *,
    by: str | None = None,
) -> User:
    """Change a user that is there, and by what they are known; ``by`` stands in the audit.

    Raises:
        NotFound: there is no such user, or what is to be removed.
        IdentityTaken, LastAdmin, Unfit: it cannot be.
    """
    async with conn.transaction():
        await identities.lock(conn)
        await audit.act(conn, by)
        known = await get(conn, change.handle)
        for kind, added, removed in _by_kind(add or Links(), remove or Links()):
            asked = getattr(change, kind)
            held = getattr(known, kind) if asked is None else asked
            if missing := removed - held:
                raise NotFound(f"link of {known.handle} to", min(missing))
            change = replace(change, **{kind: (held | added) - removed})
        await save(conn, [change])
        return await get(conn, change.handle)


async def save(conn: Connection, changes: Sequence[UserChange]) -> list[tuple[User | None, User]]:
    """Have users be what they are to be; those that change, before and after. In a transaction that has the lock.

    Raises:
        IdentityTaken, LastAdmin, Unfit: one cannot be.
    """
    known = await identities.users(conn, [change.handle for change in changes])
    wanted = [(known.get(change.handle), _after(known.get(change.handle), change)) for change in changes]
    changed = [(before, after) for before, after in wanted if before != after]
    if not changed:
        return []
    await identities.put_users(conn, [after for _, after in changed])
    stepped_down = [after.handle for before, after in changed if _is_admin(before) and not _is_admin(after)]
    if stepped_down and not await identities.has_admin(conn):
        raise LastAdmin(min(stepped_down))
    had = {link for before, _ in changed if before is not None for link in _links(before)}
    have = {link for _, after in changed for link in _links(after)}
    await identities.unlink(conn, [actor for actor, _, _ in had - have])  # before others get them
    await identities.link(conn, sorted(have - had))
    if disabled := [after.id for _, after in changed if after.disabled]:
        await sessions.end_all(conn, disabled)
    return changed


def _is_admin(user: User | None) -> bool:
    return user is not None and "admin" in user.roles and not user.disabled


def _after(before: User | None, change: UserChange) -> User:
    base = before or _new(identity.handle(change.handle))
    if change.name is not None and not (0 < len(change.name.strip()) <= 200 and change.name.isprintable()):
        raise Unfit("a person's name has 1 to 200 printable characters")
    return replace(
        base,
        name=base.name if change.name is None else change.name.strip(),
        roles=base.roles if change.roles is None else change.roles,
        emails=base.emails if change.emails is None else frozenset(map(identity.email, change.emails)),
        slack=base.slack if change.slack is None else frozenset(map(identity.slack, change.slack)),
        aliases=base.aliases if change.aliases is None else frozenset(map(identity.alias, change.aliases)),
        logins=base.logins if change.logins is None else change.logins,
        disabled=base.disabled if change.disabled is None else change.disabled,
    )


def _new(handle: str) -> User:
    nothing: frozenset[str] = frozenset()
    return User(
        id=uuid7(),
        handle=handle,
        name=handle,
        roles=frozenset(),
        emails=nothing,
        slack=nothing,
        aliases=nothing,
        logins=nothing,
        groups=nothing,
        disabled=False,
        created_at=datetime.now(UTC),
    )


def _links(user: User) -> Iterable[tuple[str, Kind, UUID]]:
    yield from ((f"email:{each}", "email", user.id) for each in user.emails)
    yield from ((f"slack:{each}", "slack", user.id) for each in user.slack)
    yield from ((f"oidc:{each}", "oidc", user.id) for each in user.logins)
    yield from ((each, "alias", user.id) for each in user.aliases)


def _by_kind(add: Links, remove: Links) -> Iterable[tuple[str, frozenset[str], frozenset[str]]]:
    """Of each kind that is touched: its name, what comes, what goes."""
    for kind, fit in (("emails", identity.email), ("slack", identity.slack), ("aliases", str), ("logins", str)):
        added, removed = (frozenset(map(fit, getattr(links, kind))) for links in (add, remove))
        if added or removed:
            yield kind, added, removed
