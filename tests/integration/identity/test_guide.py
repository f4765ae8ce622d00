"""The guide to identities: its commands do what it says, one after the other."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from placet_approval.cli import commands
from placet_approval.store import identities
from placet_runtime.postgres import Connection

GUIDE = (Path(__file__).parents[3] / "docs/guides/identity.md").read_text("utf-8")


async def test_every_command_of_the_guide_works(
    conn: Connection, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order in which they stand there, on an empty database; the file is the one that is printed."""
    monkeypatch.chdir(tmp_path)
    [file] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    Path("people.yaml").write_text(file)
    lines = [
        shlex.split(line, comments=True)[1:]
        for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("placet ")
    ]
    said = {}
    for line in lines:
        environment = {"PLACET_DATABASE_URL": database_url, "TERM": "dumb", "COLUMNS": "200"}
        result = await asyncio.to_thread(CliRunner().invoke, commands, line, env=environment)
        assert result.exit_code == 0, (line, result.output)
        said[" ".join(line)] = result.output

    assert len(lines) > 20
    assert "T0123456/U0456789" in said["users show ana"]
    assert said["apply people.yaml --dry-run"] == "~ group finance\n    members: +bo\nwould change 1\n"
    assert said["apply people.yaml --prune"] == "nothing to change\n"
    assert said["login-link ana"].startswith("http://localhost:8700/sign-in/link#")
    people = await identities.resolve(conn, ["ana", "key:ana-laptop", "slack:T0123456/U0456789", "ana@example.com"])
    assert len(people) == 4
    assert {person.handle for person in people.values()} == {"ana"}
