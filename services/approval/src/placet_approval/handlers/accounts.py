"""From an account at a sign-in provider to a user."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from placet_approval.domain import Role
from placet_approval.handlers import groups, users
from placet_approval.identity import Refused, Unfit, UserChange, email
from placet_approval.oidc import Account
from placet_approval.store import identities
from placet_runtime.postgres import Connection

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Who is let in. ``new``: the roles of those whom nobody knows yet; ``None``: they are not let in.

    ``groups`` are by their names at the provider; those groups are as it says, at each sign-in.
    """

    new: frozenset[Role] | None
    groups: Mapping[str, str]


async def admit(conn: Connection, account: Account, enrolment: Enrolment) -> UUID:
    """The user whose account this is; from the first time on, whatever addresses it has later.

    Raises:
        Refused: nobody's, or not to be let in.
    """
    if account.email is None or not account.verified:
        raise Refused("the sign-in provider has not verified your e-mail address")
    try:
        address = email(account.email)
    except Unfit:
        raise Refused("your e-mail address has characters that are not taken here") from None
    login = f"{account.issuer}#{account.subject}"
    async with conn.transaction():
        await identities.lock(conn)
        known = await identities.resolve(conn, [f"oidc:{login}", f"email:{address}"])
        person = known.get(f"oidc:{login}") or known.get(f"email:{address}")
        if person is None:
            handle = await _new(conn, account, address, enrolment)
        elif person.disabled:
            raise Refused(f"the user {person.handle} is disabled: ask an administrator")
        else:
            handle = person.handle
        user = (await identities.users(conn, [handle]))[handle]
        if login not in user.logins:
            if any(each.startswith(f"{account.issuer}#") for each in user.logins):
                raise Refused(f"{address} belongs to somebody who signs in with another account: ask an administrator")
            await users.save(conn, [UserChange(handle, logins=user.logins | {login})])
        if account.groups is not None and enrolment.groups:
            await _follow(conn, handle, account.groups, enrolment.groups)
    return user.id


async def _new(conn: Connection, account: Account, address: str, enrolment: Enrolment) -> str:
    """Make a user, named after the address."""
    if enrolment.new is None:
        raise Refused(f"nobody here has the address {address}: ask an administrator")
    base = re.sub(r"[^a-z0-9._-]", "-", address.partition("@")[0]).lstrip("._-")[:50] or "user"
    taken = await identities.users(conn, [base, *(f"{base}-{n}" for n in range(2, 1000))])
    handle = next(each for each in (base, *(f"{base}-{n}" for n in range(2, 1000))) if each not in taken)
    name = "".join(filter(str.isprintable, account.name or "")).strip()[:200]
    change = UserChange(handle, name=name or None, roles=enrolment.new, emails=frozenset({address}))
    await users.save(conn, [change])
    log.info("user.created", handle=handle, by="oidc")
    return handle


async def _follow(conn: Connection, handle: str, said: frozenset[str], mapped: Mapping[str, str]) -> None:
    """Have a user in those of the mapped groups that the provider says."""
    inside = {ours for theirs, ours in mapped.items() if theirs in said}
    known = await identities.groups(conn, set(mapped.values()))
    wanted = {
        name: group.members | {handle} if name in inside else group.members - {handle} for name, group in known.items()
    }
    await groups.save(conn, wanted)
