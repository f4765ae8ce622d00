"""Statements on sessions, and on the links that begin one."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from placet_approval.domain import Caller
from placet_approval.identity import Session
from placet_runtime.postgres import Connection

_SESSION = "s.id, u.handle, s.method, s.agent, s.created_at, s.seen_at, s.expires_at"


async def begin(
    conn: Connection, id: UUID, hash: bytes, user: UUID, *, method: str, agent: str, lifetime: timedelta
) -> None:
    """Store a new session."""
    await conn.execute(
        """
        INSERT INTO sessions (id, hash, user_id, method, agent, expires_at)
        VALUES ($1, $2, $3, $4, $5, now() + $6)
        """,
        id,
        hash,
        user,
        method,
        agent,
        lifetime,
    )


async def callers(conn: Connection, hashes: Sequence[bytes], idle: timedelta) -> dict[bytes, Caller]:
    """Whose sessions these are, as they may act now; without those that have ended, or were idle for too long."""
    rows = await conn.fetch(
        """
        SELECT s.hash, s.id, u.handle, u.roles, u.id AS person
          FROM sessions AS s JOIN users AS u ON u.id = s.user_id
         WHERE s.hash = ANY ($1::bytea[]) AND s.expires_at > now() AND s.seen_at > now() - $2::interval
           AND u.disabled_at IS NULL
        """,
        hashes,
        idle,
    )
    return {
        row["hash"]: Caller(f"user:{row['handle']}", frozenset(row["roles"]), row["id"], subject=str(row["person"]))
        for row in rows
    }


async def touch(conn: Connection, ids: Collection[UUID]) -> None:
    """Note that these sessions were used."""
    await conn.execute(
        """
        UPDATE sessions AS s SET seen_at = now() WHERE s.id = ANY ($1::uuid[]) AND s.seen_at < now() - interval '1 min'
        """,
        list(ids),
    )


async def of_user(conn: Connection, handle: str, idle: timedelta) -> list[Session]:
    """A user's sessions that go on, the newest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_SESSION} FROM users AS u JOIN sessions AS s ON s.user_id = u.id
         WHERE u.handle = $1 AND s.expires_at > now() AND s.seen_at > now() - $2::interval
         ORDER BY s.created_at DESC, s.id DESC
        """,
        handle,
        idle,
    )
    return [Session(**row) for row in rows]


async def end(conn: Connection, hash: bytes) -> None:
    """End one session."""
    await conn.execute("DELETE FROM sessions WHERE hash = $1", hash)


async def end_one(conn: Connection, user: UUID, id: UUID) -> bool:
    """End one session of a user; false where they have no such."""
    status = await conn.execute("DELETE FROM sessions WHERE id = $1 AND user_id = $2", id, user)
    return bool(status == "DELETE 1")


async def end_others(conn: Connection, user: UUID, kept: UUID) -> int:
    """End all sessions of a user but one, and their unused links; how many."""
    rows = await conn.fetch(
        """
        WITH links AS (DELETE FROM login_links WHERE user_id = $1)
        DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id
        """,
        user,
        kept,
    )
    return len(rows)


async def last_seen(conn: Connection, users: Collection[UUID]) -> dict[UUID, datetime]:
    """When each of these was last seen, to the minute, by the sessions that are left and by their keys."""
    rows = await conn.fetch(
        """
        SELECT user_id, max(at) AS at
          FROM (SELECT s.user_id, s.seen_at FROM sessions AS s WHERE s.user_id = ANY ($1::uuid[])
                 UNION ALL
                SELECT k.owner, k.last_used_at FROM api_keys AS k WHERE k.owner = ANY ($1::uuid[]))
               AS seen (user_id, at)
         WHERE at IS NOT NULL GROUP BY user_id
        """,
        list(users),
    )
    return {row["user_id"]: row["at"] for row in rows}


async def end_all(conn: Connection, users: Collection[UUID]) -> int:
    """End all sessions of users, and their unused links; how many sessions."""
    rows = await conn.fetch(
        """
        WITH links AS (DELETE FROM login_links WHERE user_id = ANY ($1::uuid[]))
        DELETE FROM sessions WHERE user_id = ANY ($1::uuid[]) RETURNING id
        """,
        list(users),
    )
    return len(rows)


async def add_link(conn: Connection, hash: bytes, user: UUID, lifetime: timedelta) -> None:
    """Store a new login link."""
    await conn.execute(
        "INSERT INTO login_links (hash, user_id, expires_at) VALUES ($1, $2, now() + $3)", hash, user, lifetime
    )


async def take_link(conn: Connection, hash: bytes) -> UUID | None:
    """Use a login link up; whose it was, or ``None`` if it was used, is too old, never was, or its user is disabled."""
    user: UUID | None = await conn.fetchval(
        """
        DELETE FROM login_links AS l USING users AS u
         WHERE l.hash = $1 AND u.id = l.user_id AND l.expires_at > now() AND u.disabled_at IS NULL
        RETURNING l.user_id
        """,
        hash,
    )
    return user


async def sweep(conn: Connection) -> None:
    """Delete what has ended by itself."""
    await conn.execute(
        """
        WITH links AS (DELETE FROM login_links WHERE expires_at <= now())
        DELETE FROM sessions WHERE expires_at <= now()
        """
    )
