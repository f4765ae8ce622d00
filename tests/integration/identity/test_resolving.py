"""One human is one person, by whichever string they come."""

import pytest

from kit.costs import counted
from placet_approval.handlers import keys, users
from placet_approval.identity import UserChange
from placet_approval.store import identities
from placet_runtime.postgres import Connection

ANA = [
    "user:ana",
    "key:ana-laptop",
    "ana@example.com",
    "ANA@EXAMPLE.COM",
    "email:Ana@Example.com",
    "ana.lopez@example.com",
    "slack:T0123/U0456",
    "ana",
    "CN=Ana Lopez",
]
LOOK_ALIKES = [
    "",
    "Ana",
    "user:Ana",
    "user:ana ",
    "key:user:ana",
    "user:key:ana-laptop",
    "email:ana",
    "slack:T0999/U0456",
    "slack:T0123/U0457",
    "slack:U0456",
    "T0123/U0456",
    "user:ana@example.com",
    "ana@example.com.evil.example",
    "an\u0430@example.com",  # a Cyrillic letter
    "ana@\u212aexample.com",  # the Kelvin sign, whose small letter is a k
    "key:admin",
    "clock",
    "%",
    "an_",
]


async def test_every_way_leads_to_the_same_person(people: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Actor, key, addresses, Slack user and aliases are one; all of them are looked up in one statement."""
    with counted(monkeypatch) as costs:
        found = await identities.resolve(people, [*ANA, "user:bo", "nobody"])

    assert costs.statements.total() == 1
    [ana] = {found[actor] for actor in ANA}
    assert (ana.handle, ana.name, ana.disabled) == ("ana", "Ana Lopez", False)
    assert ana.emails == {"ana@example.com", "ana.lopez@example.com"}
    assert ana.groups == {"finance"}
    assert ana.roles == {"approver"}
    assert found["user:bo"].handle == "bo"
    assert "nobody" not in found


async def test_what_only_looks_alike_is_nobody(people: Connection) -> None:
    """Other letters, other workspaces, other kinds: unknown."""
    assert await identities.resolve(people, LOOK_ALIKES) == {}


async def test_nobody_is_asked_for_nobody(people: Connection) -> None:
    """No actors, no people."""
    assert await identities.resolve(people, []) == {}


async def test_a_key_of_a_program_is_nobody(people: Connection) -> None:
    """A key without an owner stands for no human."""
    await keys.create(people, "worker", "starter")

    assert await identities.resolve(people, ["key:worker"]) == {}


async def test_the_past_stays_explained(people: Connection) -> None:
    """A revoked key still leads to its owner, and a disabled user is there, and says so."""
    await keys.revoke(people, "ana-laptop")
    await users.change(people, UserChange("ana", disabled=True))

    [ana] = (await identities.resolve(people, ["key:ana-laptop"])).values()

    assert (ana.handle, ana.disabled) == ("ana", True)
