"""Statements on API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from placet_approval.domain import KeyNameTaken, Role
from placet_approval.store import audit
from placet_runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: its secret part as a hash alone."""

    id: str
    name: str
    role: Role
    hash: bytes
    created_at: datetime
    revoked_at: datetime | None


_BY = "'db:' || session_user"  # keys are made and revoked by those who may write here


async def add(conn: Connection, id: str, name: str, role: Role, hash: bytes) -> None:
    """Store a new key, and note it.

    Raises:
        KeyNameTaken: the name was used before.
    """
    try:
        await conn.execute(
            f"""
            WITH made AS (
            INSERT INTO api_keys (id, name, role, hash) VALUES ($1, $2, $3, $4) RETURNING id, name, role),
            {_note("key.created", "made")}
            SELECT FROM made
            """,
            id,
            name,
            role,
            hash,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "api_keys_name":
            raise KeyNameTaken(name) from error
        raise


async def valid(conn: Connection, ids: Sequence[str]) -> dict[str, ApiKey]:
    """Keys by id that have not been revoked."""
    rows = await conn.fetch(
        """
        SELECT id, name, role, hash, created_at, revoked_at FROM api_keys
         WHERE id = ANY ($1::text[]) AND revoked_at IS NULL
        """,
        ids,
    )
    return {row["id"]: ApiKey(**row) for row in rows}


async def every(conn: Connection) -> list[ApiKey]:
    """All keys, the oldest first."""
    rows = await conn.fetch("SELECT id, name, role, hash, created_at, revoked_at FROM api_keys ORDER BY created_at, id")
    return [ApiKey(**row) for row in rows]


async def revoke(conn: Connection, name_or_id: str) -> str | None:
    """Revoke a key, and note it; its name, or ``None`` where there is no such key that is valid."""
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


def _note(kind: str, changed: str) -> str:
    entry = f"json_build_object('kind', '{kind}', 'key', id, 'name', name, 'role', role, 'by', {_BY})"
    return audit.noted(f"SELECT {entry} FROM {changed}")
