"""Statements on users, groups, and the strings by which people are known."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from placet_approval.domain import Person
from placet_approval.identity import Group, IdentityTaken, Kind, User, canonical
from placet_approval.store import audit
from placet_approval.store.conditions import Conditions
from placet_runtime.postgres import Connection, columns

_OF_KIND = "ARRAY(SELECT i.actor FROM identities AS i WHERE i.user_id = u.id AND i.kind = '{}')"
_GROUPS = "ARRAY(SELECT m.group_name FROM group_members AS m WHERE m.user_id = u.id)"

_USER = f"""u.id, u.handle, u.name, u.roles, u.disabled_at IS NOT NULL AS disabled, u.created_at,
            {_OF_KIND.format("email")} AS emails, {_OF_KIND.format("slack")} AS slack,
            {_OF_KIND.format("alias")} AS aliases, {_OF_KIND.format("oidc")} AS logins, {_GROUPS} AS groups"""


_NOTE_USERS = audit.noted(
    f"""SELECT json_build_object('kind', 'user.put', 'user', id, 'handle', handle, 'roles', roles,
                                 'disabled', disabled, 'by', {audit.BY})
          FROM put"""
)


def _note_links(kind: str, changed: str) -> str:
    entry = f"json_build_object('kind', '{kind}', 'user', user_id, 'actor', actor, 'by', {audit.BY})"
    return audit.noted(f"SELECT {entry} FROM {changed}")


def _note_members(kind: str, changed: str) -> str:
    entry = f"json_build_object('kind', '{kind}', 'group', group_name, 'user', user_id, 'by', {audit.BY})"
    return audit.noted(f"SELECT {entry} FROM {changed}")


async def resolve(conn: Connection, actors: Collection[str]) -> dict[str, Person]:
    """Who these are: actors of the history, e-mail addresses, ``slack:<team>/<user>``. Unknown ones are left out.

    A key stands for its owner, also once it is revoked or has expired. Disabled people are there, and say so.
    """
    rows = await conn.fetch(
        f"""
        WITH asked AS (SELECT * FROM unnest($1::text[], $2::text[]) AS a (actor, canonical)),
        known AS (
            SELECT a.actor, i.user_id FROM asked AS a JOIN identities AS i ON i.actor = a.canonical
             UNION ALL
            SELECT a.actor, k.owner FROM asked AS a JOIN api_keys AS k ON k.name = substr(a.canonical, 5)
             WHERE starts_with(a.canonical, 'key:'))
        SELECT known.actor, u.id, u.handle, u.name, u.roles, u.disabled_at IS NOT NULL AS disabled,
               {_OF_KIND.format("email")} AS emails, {_GROUPS} AS groups
          FROM known JOIN users AS u ON u.id = known.user_id
        """,
        *columns([(actor, canonical(actor)) for actor in set(actors)], 2),
    )
    return {
        row["actor"]: Person(
            id=row["id"],
            handle=row["handle"],
            name=row["name"],
            emails=_bare("email", row["emails"]),
            groups=frozenset(row["groups"]),
            roles=frozenset(row["roles"]),
            disabled=row["disabled"],
        )
        for row in rows
    }


async def names(conn: Connection, users: Collection[UUID]) -> dict[UUID, set[str]]:
    """All that these people are called in the history: their actors, and those of their keys."""
    rows = await conn.fetch(
        """
        SELECT i.user_id AS id, i.actor FROM identities AS i WHERE i.user_id = ANY ($1::uuid[])
         UNION ALL
        SELECT k.owner, 'key:' || k.name FROM api_keys AS k WHERE k.owner = ANY ($1::uuid[])
        """,
        list(users),
    )
    found: dict[UUID, set[str]] = {}
    for row in rows:
        found.setdefault(row["id"], set()).add(row["actor"])
    return found


async def lock(conn: Connection) -> None:
    """Let nobody else change users and groups until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('placet.identities'))")


async def users(conn: Connection, handles: Collection[str]) -> dict[str, User]:
    """Users by handle."""
    rows = await conn.fetch(f"SELECT {_USER} FROM users AS u WHERE u.handle = ANY ($1::text[])", list(handles))
    return {row["handle"]: _user(row) for row in rows}


async def every_user(
    conn: Connection, *, after: str = "", limit: int | None = None, search: str | None = None
) -> list[User]:
    """Users in the order of their handles, from behind one of them on.

    With ``search``, those whose handle, name, address, or another string by which they are known contains it.
    """
    conditions = Conditions()
    conditions.add("u.handle > {}", after)
    if search is not None:
        conditions.add(
            """(strpos(fold(u.name), fold({})) > 0 OR EXISTS (
                SELECT FROM identities AS i WHERE i.user_id = u.id AND strpos(fold(i.actor), fold({})) > 0))""",
            search,
            search,
        )
    most = "ALL" if limit is None else int(limit)
    rows = await conn.fetch(
        f"SELECT {_USER} FROM users AS u {conditions.where} ORDER BY u.handle LIMIT {most}", *conditions.values
    )
    return [_user(row) for row in rows]


async def has_admin(conn: Connection) -> bool:
    """Whether there is an admin who is not disabled."""
    return bool(
        await conn.fetchval("SELECT EXISTS (SELECT FROM users WHERE 'admin' = ANY (roles) AND disabled_at IS NULL)")
    )


async def put_users(conn: Connection, users: Sequence[User]) -> None:
    """Have users with these names, roles and states."""
    await conn.execute(
        f"""
        WITH put AS (
            INSERT INTO users AS u (id, handle, name, roles, disabled_at)
            SELECT p.id, p.handle, p.name, string_to_array(p.roles, ','), CASE WHEN p.disabled THEN now() END
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[])
                   AS p (id, handle, name, roles, disabled)
            ON CONFLICT (handle) DO UPDATE
               SET name = excluded.name, roles = excluded.roles,
                   disabled_at = CASE WHEN excluded.disabled_at IS NULL THEN NULL
                                      ELSE coalesce(u.disabled_at, excluded.disabled_at) END
            RETURNING u.id, u.handle, u.roles, u.disabled_at IS NOT NULL AS disabled),
        {_NOTE_USERS}
        INSERT INTO identities (actor, kind, user_id) SELECT 'user:' || handle, 'user', id FROM put
        ON CONFLICT DO NOTHING
        """,
        *columns([(u.id, u.handle, u.name, ",".join(sorted(u.roles)), u.disabled) for u in users], 5),
    )


async def link(conn: Connection, links: Sequence[tuple[str, Kind, UUID]]) -> None:
    """Let these actors be these people.

    Raises:
        IdentityTaken: one is somebody's already.
    """
    try:
        await conn.execute(
            f"""
            WITH linked AS (
            INSERT INTO identities (actor, kind, user_id)
            SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) RETURNING actor, user_id),
            {_note_links("user.linked", "linked")}
            SELECT FROM linked
            """,
            *columns(links, 3),
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "identities_pkey":
            raise IdentityTaken(_named(error)) from error
        raise


async def unlink(conn: Connection, actors: Sequence[str]) -> None:
    """Let these actors be nobody."""
    await conn.execute(
        f"""
        WITH unlinked AS (
        DELETE FROM identities WHERE actor = ANY ($1::text[]) AND kind <> 'user' RETURNING actor, user_id),
        {_note_links("user.unlinked", "unlinked")}
        SELECT FROM unlinked
        """,
        actors,
    )


async def groups(conn: Connection, names: Collection[str] | None = None) -> dict[str, Group]:
    """Groups by name; all, if none is named."""
    rows = await conn.fetch(
        """
        SELECT g.name, ARRAY(SELECT u.handle FROM group_members AS m JOIN users AS u ON u.id = m.user_id
                              WHERE m.group_name = g.name) AS members
          FROM groups AS g WHERE $1::text[] IS NULL OR g.name = ANY ($1) ORDER BY g.name
        """,
        None if names is None else list(names),
    )
    return {row["name"]: Group(row["name"], frozenset(row["members"])) for row in rows}


async def put_groups(conn: Connection, names: Sequence[str]) -> None:
    """Have groups with these names."""
    await conn.execute("INSERT INTO groups (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", names)


async def drop_groups(conn: Connection, names: Sequence[str]) -> None:
    """Have no groups with these names."""
    note = audit.noted(f"SELECT json_build_object('kind', 'group.deleted', 'group', name, 'by', {audit.BY}) FROM gone")
    await conn.execute(
        f"WITH gone AS (DELETE FROM groups WHERE name = ANY ($1::text[]) RETURNING name), {note} SELECT FROM gone",
        names,
    )


async def join_groups(conn: Connection, members: Sequence[tuple[str, str]]) -> None:
    """Let these be members: (group, handle)."""
    await conn.execute(
        f"""
        WITH joined AS (
        INSERT INTO group_members (group_name, user_id)
        SELECT j.name, u.id FROM unnest($1::text[], $2::text[]) AS j (name, handle) JOIN users AS u USING (handle)
        ON CONFLICT DO NOTHING RETURNING group_name, user_id),
        {_note_members("group.joined", "joined")}
        SELECT FROM joined
        """,
        *columns(members, 2),
    )


async def leave_groups(conn: Connection, members: Sequence[tuple[str, str]]) -> None:
    """Let these be no members: (group, handle)."""
    await conn.execute(
        f"""
        WITH gone AS (
        DELETE FROM group_members AS m USING unnest($1::text[], $2::text[]) AS l (name, handle), users AS u
         WHERE m.group_name = l.name AND u.handle = l.handle AND m.user_id = u.id
        RETURNING m.group_name, m.user_id),
        {_note_members("group.left", "gone")}
        SELECT FROM gone
        """,
        *columns(members, 2),
    )


def _user(row: asyncpg.Record) -> User:
    facts: dict[str, Any] = dict(row)
    kinds = {"emails": "email", "slack": "slack", "logins": "oidc"}
    facts |= {name: _bare(kind, facts[name]) for name, kind in kinds.items()}
    return User(**facts | {name: frozenset(facts[name]) for name in ("roles", "aliases", "groups")})


def _bare(kind: str, actors: Sequence[str]) -> frozenset[str]:
    return frozenset(actor.removeprefix(f"{kind}:") for actor in actors)


def _named(error: asyncpg.UniqueViolationError) -> str:
    """The actor in Postgres' ``Key (actor)=(...) already exists.``"""
    return (error.detail or "").removeprefix("Key (actor)=(").removesuffix(") already exists.")
