"""Users, groups and keys from the command line, and from a file."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from placet_approval.cli import commands
from placet_approval.handlers import users
from placet_approval.identity import Unfit, UserChange
from placet_approval.store import identities
from placet_runtime.postgres import Connection

Cli = Callable[..., str]

FILE = """
users:
  ana:
    name: Ana Lopez
    roles: [approver]
    emails: [Ana@example.com]
    slack: [T0123/U0456]
    aliases: [ana]
  bo:
    roles: [viewer]
groups:
  finance:
    members: [ana, bo]
"""


@pytest.fixture
def cli(conn: Connection, database_url: str) -> Cli:
    """What ``placet`` prints; it runs in a thread, as it has a loop of its own."""

    def run(*arguments: str, code: int = 0) -> str:
        environment = {"PLACET_DATABASE_URL": database_url, "TERM": "dumb", "COLUMNS": "200"}
        result = CliRunner().invoke(commands, list(arguments), env=environment)
        assert result.exit_code == code, result.output
        return result.output

    return run


async def in_thread(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


async def test_a_user_from_the_beginning_to_the_end(conn: Connection, cli: Cli) -> None:
    """Made, found, linked, changed, unlinked, disabled and let in again."""

    def work() -> None:
        cli("users", "create", "ana", "--name", "Ana Lopez", "--role", "approver", "--email", "Ana@Example.com")
        cli("users", "create", "bo")
        assert "there is a user 'ana' already" in cli("users", "create", "ana", code=2)
        shown = cli("users", "link", "ana", "--slack", "T0123/U0456", "--alias", "ana", "--email", "a@example.org")
        assert "a@example.org, ana@example.com" in shown
        assert "belongs to another user" in cli("users", "link", "bo", "--email", "ANA@example.com", code=2)
        assert "is not an e-mail address" in cli("users", "link", "bo", "--email", "bo", code=2)
        assert "no Slack user" in cli("users", "link", "bo", "--slack", "@bo", code=2)
        assert "no alias" in cli("users", "link", "bo", "--alias", "user:ana", code=2)
        cli("users", "unlink", "ana", "--email", "A@example.org")
        assert "there is no link of ana to" in cli("users", "unlink", "ana", "--email", "a@example.org", code=2)
        cli("users", "change", "ana", "--role", "approver", "--role", "starter", "--name", "Ana L.")
        assert json.loads(cli("users", "show", "ana", "--json")) == {
            "handle": "ana",
            "name": "Ana L.",
            "roles": ["approver", "starter"],
            "emails": ["ana@example.com"],
            "slack": ["T0123/U0456"],
            "aliases": ["ana"],
            "logins": [],
            "groups": [],
            "disabled": False,
        }
        assert "disabled  yes" in cli("users", "disable", "ana")
        assert "is disabled" in cli("login-link", "ana", code=2)
        assert [line.split()[0] for line in cli("users", "list").splitlines()] == ["ana", "bo"]
        assert "disabled  no" in cli("users", "enable", "ana")
        assert cli("login-link", "ana", "--public-url", "https://x/").startswith("https://x/sign-in/link#")
        assert cli("users", "sessions", "ana") == ""
        assert cli("users", "revoke", "ana") == "ended 0 sessions of ana\n"
        assert "there is no user nobody" in cli("users", "show", "nobody", code=2)

    await in_thread(work)


async def test_a_handle_is_plain(conn: Connection) -> None:
    """Small ASCII letters, digits and little else, so that it is read in one way."""
    for handle in ("", "Ana", "ana lopez", "-ana", "user:ana", "a" * 64, "an\u00e1", "ana\n"):
        with pytest.raises(Unfit, match="is no name"):
            await users.create(conn, UserChange(handle))


async def test_a_group_from_the_beginning_to_the_end(conn: Connection, cli: Cli) -> None:
    """Made, added to, removed from, deleted."""

    def work() -> None:
        cli("users", "create", "ana")
        cli("users", "create", "bo")
        assert cli("groups", "create", "finance", "ana").split() == ["finance", "ana"]
        assert "there is no user cy" in cli("groups", "add", "finance", "cy", code=2)
        assert cli("groups", "add", "finance", "bo").split() == ["finance", "ana,", "bo"]
        assert cli("groups", "remove", "finance", "ana").split() == ["finance", "bo"]
        assert cli("groups", "list").split() == ["finance", "bo"]
        assert cli("groups", "delete", "finance") == "deleted finance\n"
        assert "there is no group finance" in cli("groups", "delete", "finance", code=2)

    await in_thread(work)


async def test_a_key_of_somebodys(conn: Connection, cli: Cli) -> None:
    """Its owner is shown, must be there, and may do what the key is for."""

    def work() -> None:
        cli("users", "create", "ana", "--role", "approver")
        assert cli("keys", "create", "ana-laptop", "--role", "approver", "--owner", "ana", "--days", "30")
        assert "there is no user bo" in cli("keys", "create", "x", "--role", "viewer", "--owner", "bo", code=2)
        assert "may not do" in cli("keys", "create", "x", "--role", "starter", "--owner", "ana", code=2)
        assert "must be more than 0" in cli("keys", "create", "x", "--role", "starter", "--days", "0", code=2)
        assert "is or was a key" in cli("keys", "create", "admin", "--role", "admin", code=2)
        [line] = cli("keys", "list").splitlines()
        assert "expires 20" in line
        assert " ana " in line

    await in_thread(work)


async def test_a_file_is_what_there_is(conn: Connection, cli: Cli, tmp_path: Path) -> None:
    """A dry run shows the difference and changes nothing; applied once, there is none; others are left alone."""
    file = tmp_path / "people.yaml"
    file.write_text(FILE)

    def work() -> None:
        cli("users", "create", "cy", "--role", "viewer")
        cli("groups", "create", "old", "cy")
        would = cli("apply", str(file), "--dry-run")
        assert would.splitlines() == [
            "+ user ana",
            "    name: +Ana Lopez",
            "    roles: +approver",
            "    emails: +ana@example.com",
            "    slack: +T0123/U0456",
            "    aliases: +ana",
            "+ user bo",
            "    name: +bo",
            "    roles: +viewer",
            "+ group finance",
            "    members: +ana +bo",
            "would change 3",
        ]
        assert "there is no user ana" in cli("users", "show", "ana", code=2)
        assert cli("apply", str(file)).splitlines()[:-1] == would.splitlines()[:-1]
        assert cli("apply", str(file)) == "nothing to change\n"
        cli("users", "link", "bo", "--email", "bo@example.com")
        assert cli("apply", str(file)) == "nothing to change\n"  # it says nothing of Bo's addresses
        assert "cy, " not in cli("groups", "list")
        assert "disabled  no" in cli("users", "show", "cy")

    await in_thread(work)


async def test_what_changes_is_shown(conn: Connection, cli: Cli, tmp_path: Path) -> None:
    """What goes and what comes; an address can go from one to another in one file."""
    file = tmp_path / "people.yaml"
    file.write_text(FILE)

    def work() -> None:
        cli("apply", str(file))
        file.write_text(
            "users: {ana: {emails: []}, bo: {emails: [ana@example.com]}}\ngroups: {finance: {members: [bo]}}"
        )
        assert cli("apply", str(file)).splitlines() == [
            "~ user ana",
            "    emails: -ana@example.com",
            "~ user bo",
            "    emails: +ana@example.com",
            "~ group finance",
            "    members: -ana",
            "changed 3",
        ]

    await in_thread(work)
    [person] = (await identities.resolve(conn, ["ana@example.com"])).values()
    assert person.handle == "bo"


async def test_pruning_leaves_what_the_file_has(conn: Connection, cli: Cli, tmp_path: Path) -> None:
    """Other users are disabled, other groups deleted; of a kind that the file does not mention, nothing."""
    file = tmp_path / "people.yaml"
    file.write_text(FILE)

    def work() -> None:
        cli("apply", str(file))
        cli("groups", "create", "old", "bo")
        file.write_text("groups: {finance: {}}")
        assert cli("apply", str(file), "--prune").splitlines() == ["- group old", "changed 1"]
        file.write_text("users: {ana: {}}")
        assert cli("apply", str(file), "--prune").splitlines() == ["~ user bo", "    disabled: +yes", "changed 1"]
        assert cli("apply", str(file), "--prune") == "nothing to change\n"

    await in_thread(work)


WRONG = [
    ("users: {ana: {role: [admin]}}", "users.ana.role: Extra inputs are not permitted"),
    ("user: {}", "user: Extra inputs are not permitted"),
    ("users: {ana: {roles: [root]}}", "users.ana.roles.0"),
    ("users: {ana: {roles: admin}}", "users.ana.roles"),
    ("users: {ana: {emails: [1]}}", "users.ana.emails.0"),
    ("users: {ana: {disabled: 'no'}}", "users.ana.disabled"),
    ("users: {ana: {}, ana: {}}", "'ana' is there twice"),
    ("users: {Ana: {}}", "is no name"),
    ("users: {1: {}}", "users.1"),
    ("users: [ana]", "users"),
    ("- ana", "valid dictionary"),
    ("users: {ana: {", "expected"),
    ("users: !!python/object/apply:os.system [true]", "could not determine a constructor"),
    ("groups: {finance: {members: [nobody]}}", "there is no user nobody"),
    ("users: {ana: {aliases: [x]}, bo: {aliases: [x]}}", "belongs to another user"),
]


async def test_a_file_that_is_wrong_changes_nothing(people: Connection, cli: Cli, tmp_path: Path) -> None:
    """It says what is wrong and where."""
    file = tmp_path / "people.yaml"
    before = await identities.every_user(people)

    def work() -> None:
        for text, said in WRONG:
            file.write_text(text)
            assert said in cli("apply", str(file), code=2), text

    await in_thread(work)
    assert await identities.every_user(people) == before
