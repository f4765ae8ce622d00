"""What administrators do to users, groups, keys and sessions: who asked is noted, and somebody is left who can."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import from_json

from placet_approval.domain import NotFound, Role
from placet_approval.handlers import applying, groups, keys, sessions, users
from placet_approval.handlers.applying import Wanted
from placet_approval.handlers.sessions import Begin, Lifetime
from placet_approval.identity import LastAdmin, Links, UserChange
from placet_approval.store import identities
from placet_approval.store import keys as key_store
from placet_approval.store import sessions as session_store
from placet_runtime.postgres import Connection

LIFETIME = Lifetime(timedelta(hours=1), timedelta(days=1))
ADMIN: frozenset[Role] = frozenset({"admin"})


async def noted(conn: Connection) -> list[dict[str, Any]]:
    """The entries of the audit, in the order in which they were made."""
    rows = await conn.fetch("SELECT entries FROM audit ORDER BY id")
    return [entry for row in rows for entry in from_json(row["entries"])]


async def begin(conn: Connection, handle: str) -> UUID:
    """A new session of a user."""
    user = await users.get(conn, handle)
    await sessions.begin(Begin(conn, user.id, "link"), agent="Firefox", lifetime=LIFETIME, instead_of=None)
    [newest, *_] = await session_store.of_user(conn, handle, LIFETIME.idle)
    return newest.id


async def test_the_audit_says_who_asked(people: Connection) -> None:
    """Of each change of users, groups and keys, where somebody did; else, which role of the database."""
    before = len(await noted(people))
    role = await people.fetchval("SELECT session_user::text")

    await users.create(people, UserChange("cy", emails=frozenset({"cy@example.com"})), "user:eve")
    await users.change(people, UserChange("cy"), remove=Links(emails=frozenset({"cy@example.com"})), by="user:eve")
    await groups.create(people, "legal", frozenset({"cy"}), "user:eve")
    await groups.change(people, "legal", remove=["cy"], by="user:eve")
    await groups.delete(people, "legal", "user:eve")
    await keys.create(people, "cy-laptop", "viewer", by="user:eve")
    await keys.revoke(people, "cy-laptop", "user:eve")
    asked = await noted(people)
    await users.change(people, UserChange("cy", name="Cy"))
    await keys.create(people, "another", "viewer")

    assert {entry["kind"] for entry in asked[before:]} == {
        "user.put", "user.linked", "user.unlinked", "group.joined", "group.left", "group.deleted", "key.created",
        "key.revoked",
    }  # fmt: skip
    assert {entry["by"] for entry in asked[before:]} == {"user:eve"}
    assert {entry["by"] for entry in (await noted(people))[len(asked) :]} == {f"db:{role}"}


@pytest.mark.parametrize("change", [UserChange("eve", roles=frozenset()), UserChange("eve", disabled=True)])
async def test_the_last_admin_stays_one(people: Connection, change: UserChange) -> None:
    """Nobody takes the role from them or disables them, until somebody else has it who is not disabled."""
    await users.create(people, UserChange("eve", roles=ADMIN))
    await users.create(people, UserChange("off", roles=ADMIN))
    await users.change(people, UserChange("off", disabled=True))

    with pytest.raises(LastAdmin, match="eve is the last user with the role admin"):
        await users.change(people, change)
    with pytest.raises(LastAdmin):
        await applying.apply(people, Wanted(users=[UserChange("bo")]), prune=True, dry_run=False)
    assert (await users.get(people, "eve")).roles == ADMIN

    handed_over = [UserChange("bo", roles=ADMIN), change]
    await applying.apply(people, Wanted(users=handed_over), prune=False, dry_run=False)

    assert (await users.get(people, "bo")).roles == ADMIN


async def test_without_an_admin_users_change_as_before(people: Connection) -> None:
    """A deployment may have none, and be run from the command line."""
    assert (await users.change(people, UserChange("ana", disabled=True))).disabled


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ana", ["ana"]),
        ("LOPEZ", ["ana"]),
        ("ana.lopez@EXAMPLE", ["ana"]),
        ("u0456", ["ana"]),
        ("cn=ana", ["ana"]),
        ("example.com", ["ana", "bo"]),
        ("%", []),
        ("_", []),
        ("", ["ana", "bo"]),
    ],
)
async def test_users_are_found_by_all_that_they_are_known_by(people: Connection, search: str, found: list[str]) -> None:
    """Name, handle, address, Slack user, alias; letters count alike, and nothing is a pattern."""
    assert [user.handle for user in await identities.every_user(people, search=search)] == found


async def test_users_come_page_by_page(people: Connection) -> None:
    """From behind the last one of the page before."""
    [first] = await identities.every_user(people, search="example", limit=1)
    [second] = await identities.every_user(people, search="example", after=first.handle, limit=1)

    assert (first.handle, second.handle) == ("ana", "bo")


async def test_one_session_ends_or_all_others(people: Connection) -> None:
    """Of that user; unused links end with all others."""
    one, two, three, theirs = [await begin(people, handle) for handle in ("ana", "ana", "ana", "bo")]

    await sessions.end_one(people, "ana", one)
    with pytest.raises(NotFound):
        await sessions.end_one(people, "ana", one)
    with pytest.raises(NotFound):
        await sessions.end_one(people, "ana", theirs)
    assert {each.id for each in await session_store.of_user(people, "ana", LIFETIME.idle)} == {two, three}

    await sessions.link(people, "ana")
    assert await sessions.end_others(people, "ana", three) == 1
    assert [each.id for each in await session_store.of_user(people, "ana", LIFETIME.idle)] == [three]
    assert await people.fetchval("SELECT count(*) FROM login_links") == 0
    assert len(await session_store.of_user(people, "bo", LIFETIME.idle)) == 1


async def test_when_somebody_was_last_seen(people: Connection) -> None:
    """In a browser or with a key, whichever was later; nothing of whom nobody has seen."""
    ana, bo = [await users.get(people, handle) for handle in ("ana", "bo")]
    assert await session_store.last_seen(people, [ana.id, bo.id]) == {}

    await begin(people, "ana")
    seen = (await session_store.last_seen(people, [ana.id, bo.id]))[ana.id]
    await people.execute("UPDATE api_keys SET last_used_at = now() + interval '1 h' WHERE name = 'ana-laptop'")
    later = await session_store.last_seen(people, [ana.id, bo.id])

    assert list(later) == [ana.id]
    assert later[ana.id] > seen


async def test_the_keys_of_a_user(people: Connection) -> None:
    """Those that they own, revoked ones too."""
    await keys.create(people, "worker", "starter")
    await keys.revoke(people, "ana-laptop")

    assert [key.name for key in await key_store.owned(people, "ana")] == ["ana-laptop"]
    assert await key_store.owned(people, "bo") == []
