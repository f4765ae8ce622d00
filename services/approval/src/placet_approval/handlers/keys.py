"""API keys: ``placet_<public part>_<256 random bits>``. The database holds hashes alone."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from placet_approval.domain import Caller, KeyNameTaken, NotFound, Role
from placet_approval.handlers.uses import Uses
from placet_approval.identity import BOOTSTRAP, ApiKey, Unfit, within
from placet_approval.store import audit, identities, keys
from placet_runtime.postgres import Connection, Pool

_PREFIX = "placet"


async def create(
    conn: Connection,
    name: str,
    role: Role,
    *,
    owner: str | None = None,
    lifetime: timedelta | None = None,
    by: str | None = None,
) -> str:
    """Make a key; this is the only time that it is seen. Without a lifetime it is valid until it is revoked.

    ``by`` stands in the audit.

    Raises:
        KeyNameTaken: the name was used before.
        NotFound: the owner is no user.
        Unfit: the name cannot be, or the owner may not do what the role is for.
    """
    if not 0 < len(name) <= 100 or not name.isprintable() or name != name.strip():
        raise Unfit("a key's name has 1 to 100 printable characters")
    if name == BOOTSTRAP:
        raise KeyNameTaken(name)
    if lifetime is not None and lifetime <= timedelta():
        raise Unfit("the days that a key is valid must be more than 0")
    if owner is not None:
        user = (await identities.users(conn, [owner])).get(owner)
        if user is None:
            raise NotFound("user", owner)
        if not within(role, user.roles):
            raise Unfit(f"{owner} may not do what a key with the role {role!r} is for, and so the key could not")
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    async with conn.transaction():
        await audit.act(conn, by)
        await keys.add(conn, id, _hash(secret), name, role, owner=owner, lifetime=lifetime)
    return f"{_PREFIX}_{id}_{secret}"


async def revoke(conn: Connection, name: str, by: str | None = None) -> ApiKey:
    """Revoke a key by its name or id: its next request is refused. Again is no error.

    Raises:
        NotFound: there never was one of that name.
    """
    async with conn.transaction():
        await audit.act(conn, by)
        await keys.revoke(conn, name)
    if (key := await keys.get(conn, name)) is None:
        raise NotFound("key", name)
    return key


async def identify(pool: Pool, uses: Uses[str], presented: Sequence[str]) -> list[Caller | None]:
    """Whose keys these are; ``None`` for what is no key, or none that is valid."""
    parts = [_split(key) for key in presented]
    async with pool.acquire() as conn:
        known = await keys.callers(conn, [part[0] for part in parts if part is not None])
    callers: list[Caller | None] = []
    for part in parts:
        hash, caller = known.get(part[0], (b"", None)) if part is not None else (b"", None)
        if part is None or caller is None or not secrets.compare_digest(hash, _hash(part[1])):
            callers.append(None)
        else:
            uses.note(part[0])
            callers.append(caller)
    return callers


def _split(key: str) -> tuple[str, str] | None:
    prefix, _, rest = key.partition("_")
    id, _, secret = rest.partition("_")
    return (id, secret) if prefix == _PREFIX and id and secret and key.isascii() else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
