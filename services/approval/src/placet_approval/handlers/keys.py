"""API keys: ``placet_<public part>_<256 random bits>``. The database holds hashes alone."""

import hashlib
import secrets
from collections.abc import Sequence

from placet_approval.domain import Caller, Role
from placet_approval.store import keys
from placet_runtime.postgres import Connection, Pool

_PREFIX = "placet"


async def create(conn: Connection, name: str, role: Role) -> str:
    """Make a key; this is the only time that it is seen.

    Raises:
        KeyNameTaken: the name was used before.
    """
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    await keys.add(conn, id, name, role, _hash(secret))
    return f"{_PREFIX}_{id}_{secret}"


async def identify(pool: Pool, presented: Sequence[str]) -> list[Caller | None]:
    """Whose keys these are; ``None`` for what is no key, or a revoked one."""
    parts = [_split(key) for key in presented]
    async with pool.acquire() as conn:
        known = await keys.valid(conn, [part[0] for part in parts if part is not None])
    callers: list[Caller | None] = []
    for part in parts:
        key = known.get(part[0]) if part is not None else None
        matches = part is not None and key is not None and secrets.compare_digest(key.hash, _hash(part[1]))
        callers.append(Caller(f"key:{key.name}", key.role) if matches and key is not None else None)
    return callers


def _split(key: str) -> tuple[str, str] | None:
    prefix, _, rest = key.partition("_")
    id, _, secret = rest.partition("_")
    return (id, secret) if prefix == _PREFIX and id and secret and key.isascii() else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
