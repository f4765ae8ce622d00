"""Signing in and out. A session's token is 256 random bits in a cookie; the database holds its hash alone."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from placet_approval.domain import Caller, NotFound
from placet_approval.handlers import users
from placet_approval.identity import BOOTSTRAP, Refused, UserChange
from placet_approval.store import identities, sessions
from placet_runtime.postgres import Connection, Pool

LINK_LIFETIME = timedelta(minutes=15)
LINK_PATH = "/sign-in/link"

_AGENT = 200  # characters


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long somebody stays signed in: without doing anything, and at all."""

    idle: timedelta
    total: timedelta


@dataclass(frozen=True, slots=True)
class Begin:
    """Who signs in, and how."""

    conn: Connection
    user: UUID
    method: Literal["link", "oidc"]


async def identify(pool: Pool, idle: timedelta, tokens: Sequence[str]) -> list[Caller | None]:
    """Whose sessions these are; ``None`` for what is none, or none that goes on."""
    hashes = [_hash(token) for token in tokens]
    async with pool.acquire() as conn:
        known = await sessions.callers(conn, hashes, idle)
    return [known.get(hash) for hash in hashes]


async def begin(who: Begin, *, agent: str, lifetime: Lifetime, instead_of: str | None) -> str:
    """Begin a session, and end the one that this browser had before; the new one's token."""
    token = secrets.token_urlsafe(32)
    if instead_of is not None:
        await sessions.end(who.conn, _hash(instead_of))
    printable = "".join(filter(str.isprintable, agent))[:_AGENT]
    await sessions.begin(
        who.conn, uuid7(), _hash(token), who.user, method=who.method, agent=printable, lifetime=lifetime.total
    )
    return token


async def end(conn: Connection, token: str) -> None:
    """Sign out of a session."""
    await sessions.end(conn, _hash(token))


async def end_of(conn: Connection, handle: str) -> int:
    """Sign a user out everywhere; of how many sessions.

    Raises:
        NotFound: there is no such user.
    """
    user = await users.get(conn, handle)
    return await sessions.end_all(conn, [user.id])


async def end_one(conn: Connection, handle: str, id: UUID) -> None:
    """Sign a user out of one session.

    Raises:
        NotFound: there is no such user, or they have no such session.
    """
    user = await users.get(conn, handle)
    if not await sessions.end_one(conn, user.id, id):
        raise NotFound("session", id)


async def end_others(conn: Connection, handle: str, kept: UUID) -> int:
    """Sign a user out everywhere but there; of how many sessions.

    Raises:
        NotFound: there is no such user.
    """
    user = await users.get(conn, handle)
    return await sessions.end_others(conn, user.id, kept)


async def link(conn: Connection, handle: str) -> str:
    """The path of a new login link: for one use, within a quarter of an hour. Its token is behind ``#``.

    Raises:
        NotFound: there is no such user.
        Refused: the user is disabled.
    """
    user = await users.get(conn, handle)
    if user.disabled:
        raise Refused(f"the user {handle} is disabled")
    token = secrets.token_urlsafe(32)
    await sessions.add_link(conn, _hash(token), user.id, LINK_LIFETIME)
    return f"{LINK_PATH}#{token}"


async def first_link(conn: Connection) -> str | None:
    """A login link for whoever runs an embedded deployment: ``admin``, who is made if nobody is there yet.

    ``None`` where there are users, and no such one.
    """
    if not await identities.every_user(conn, limit=1):
        await users.create(conn, UserChange(BOOTSTRAP, name="Admin", roles=frozenset({"admin"})))
    try:
        return await link(conn, BOOTSTRAP)
    except (NotFound, Refused):
        return None


async def use_link(conn: Connection, token: str) -> UUID:
    """Use a login link up; whose it is.

    Raises:
        Refused: it was used, is too old, or never was.
    """
    user = await sessions.take_link(conn, _hash(token))
    if user is None:
        raise Refused("this link has been used, or is too old: ask for another one")
    return user


def anti_forgery(token: str) -> str:
    """What a page of this session's has, and no other page can know."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"anti-forgery:{token}".encode()).digest()).decode().rstrip("=")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
