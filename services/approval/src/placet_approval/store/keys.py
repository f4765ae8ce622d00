"""Statements on API keys."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import asyncpg

from placet_approval.domain import Caller, KeyNameTaken, Role
from placet_approval.identity import ApiKey, key_roles
from placet_approval.store import audit
from placet_runtime.postgres import Connection

_COLUMNS = "k.id, k.name, k.role, u.handle AS owner, k.created_at, k.expires_at, k.revoked_at, k.last_used_at"


async def add(
    conn: Connection, id: str, hash: bytes, name: str, role: Role, *, owner: str | None, lifetime: timedelta | None
) -> None:
    """Store a new key, and note it; its owner is there.

    Raises:
        KeyNameTaken: the name was used before.
    """
    try:
        await conn.execute(
            f"""
            WITH made AS (
            INSERT INTO api_keys (id, hash, name, role, owner, expires_at)
            VALUES ($1, $2, $3, $4, (SELECT u.id FROM users AS u WHERE u.handle = $5), now() + $6::interval)
            RETURNING id, name, role),
            {_note("key.created", "made")}
            SELECT FROM made
            """,
            id,
            hash,
            name,
            role,
            owner,
            lifetime,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "api_keys_name":
            raise KeyNameTaken(name) from error
        raise


async def callers(conn: Connection, ids: Sequence[str]) -> dict[str, tuple[bytes, Caller]]:
    """By id, the hashes of keys that are valid, and who calls with them. The keys of disabled users are not valid."""
    rows = await conn.fetch(
        """
        SELECT k.id, k.hash, k.name, k.role, u.roles AS owner, u.id AS person
          FROM api_keys AS k LEFT JOIN users AS u ON u.id = k.owner
         WHERE k.id = ANY ($1::text[]) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
           AND u.disabled_at IS NULL
        """,
        ids,
    )
    return {row["id"]: (row["hash"], _caller(row)) for row in rows}


async def touch(conn: Connection, ids: Collection[str]) -> None:
    """Note that these keys were used."""
    await conn.execute(
        """
        UPDATE api_keys AS k SET last_used_at = now()
         WHERE k.id = ANY ($1::text[]) AND coalesce(k.last_used_at < now() - interval '1 min', true)
        """,
        list(ids),
    )


async def every(conn: Connection) -> list[ApiKey]:
    """All keys, the oldest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM api_keys AS k LEFT JOIN users AS u ON u.id = k.owner ORDER BY k.created_at, k.id"
    )
    return [ApiKey(**row) for row in rows]


async def owned(conn: Connection, handle: str) -> list[ApiKey]:
    """The keys that a user owns, the oldest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM users AS u JOIN api_keys AS k ON k.owner = u.id
         WHERE u.handle = $1 ORDER BY k.created_at, k.id
        """,
        handle,
    )
    return [ApiKey(**row) for row in rows]


async def get(conn: Connection, name_or_id: str) -> ApiKey | None:
    """A key, also one that is not valid any more."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM api_keys AS k LEFT JOIN users AS u ON u.id = k.owner WHERE k.name = $1 OR k.id = $1",
        name_or_id,
    )
    return ApiKey(**row) if row else None


async def revoke(conn: Connection, name_or_id: str) -> str | None:
    """Revoke a key, and note it; its name, or ``None`` where there is no such key that is not revoked yet."""
    name: str | None = await conn.fetchval(
        f"""
        WITH revoked AS (
        UPDATE api_keys SET revoked_at = now() WHERE (name = $1 OR id = $1) AND revoked_at IS NULL
        RETURNING id, name, role),
        {_note("key.revoked", "revoked")}
        SELECT name FROM revoked
        """,
        name_or_id,
    )
    return name


def _caller(row: asyncpg.Record) -> Caller:
    actor = f"key:{row['name']}"
    return Caller(actor, key_roles(row["role"], row["owner"]), subject=str(row["person"] or actor))


def _note(kind: str, changed: str) -> str:
    entry = f"json_build_object('kind', '{kind}', 'key', id, 'name', name, 'role', role, 'by', {audit.BY})"
    return audit.noted(f"SELECT {entry} FROM {changed}")
