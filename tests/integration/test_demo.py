"""``placet demo`` as its user sees it: a company at work, and a terminal that tells what becomes of a click."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any

import asyncpg
import httpx2
import pytest

from kit.command import says, serving
from kit.waiting import eventually
from placet.errors import CommandError
from placet_approval.handlers import sealing
from placet_runtime.receipts import public_key
from placet_standalone import cli


@asynccontextmanager
async def placet(*arguments: str, folder: Path, database_url: str | None) -> AsyncIterator[tuple[Process, str]]:
    """A running command that serves, and where."""
    of_ours = () if database_url is None else ("--database-url", database_url)
    async with serving(*arguments, "--data", str(folder), *of_ours, folder=folder) as (process, port):
        yield process, f"http://localhost:{port}"


@asynccontextmanager
async def signed_in(link: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser after its user has pressed the button of a login link."""
    address, _, token = link.partition("#")
    origin = address.removesuffix("/sign-in/link")
    async with httpx2.AsyncClient(base_url=origin, headers={"Origin": origin}) as http:
        answer = await http.post("/sign-in/link", data={"token": token})
        assert answer.status_code == 303
        http.headers["X-Placet-Token"] = (await http.get("/v1/me")).json()["token"]
        yield http


async def audit_verify(folder: Path, database_url: str) -> tuple[int, str]:
    """Exit code and output of the command for auditors."""
    keys = json.loads((folder / "secrets.json").read_text())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "placet.cli", "audit", "verify", "--database-url", database_url),
        *("--verify-keys", public_key(keys["signing_key"])),
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def count(database_url: str, what: str) -> int:
    """How many rows the approval service has."""
    conn = await asyncpg.connect(database_url, server_settings={"search_path": "approval"})
    try:
        return int(await conn.fetchval(f"SELECT count(*) FROM {what}"))
    finally:
        await conn.close()


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A database as a newcomer has it."""
    return empty_database_url


async def test_its_link_opens_a_backlog_and_what_one_decides_goes_on(tmp_path: Path, database_url: str) -> None:
    """Whoever signs in may decide on most of what waits, and the terminal tells how it goes on. A restart adds
    nothing; the past has all outcomes, and stands up to an auditor."""
    async with placet("demo", folder=tmp_path, database_url=database_url) as (process, _):
        async with signed_in(await says(process, "/sign-in/link#")) as http:
            me = (await http.get("/v1/me")).json()
            waits = (await http.get("/v1/approvals", params={"status": "pending", "limit": 100})).json()["items"]
            may = [await may_decide(http, approval["id"]) for approval in waits]
            [refund] = [each for each in waits if each["title"] == "Refund 312.40 € to Jonas Weber"]
            approved = await http.post(f"/v1/approvals/{refund['id']}/decisions", json={"decision": "approve"})
        told = [await says(process, "approved"), await says(process, "completed")]
        process.send_signal(SIGINT)
        assert await process.wait() == 0
    before = await count(database_url, "approvals"), await count(database_url, "runs")
    async with placet("demo", folder=tmp_path, database_url=database_url) as (process, _):
        await says(process, "/sign-in/link#")
        await eventually(lambda: is_sealed(database_url))
        code, found = await audit_verify(tmp_path, database_url)
    after = await count(database_url, "approvals"), await count(database_url, "runs")
    outcomes = {
        each: await count(database_url, f"approvals WHERE status = '{each}' AND resolved_at < now()")
        for each in ("approved", "rejected", "expired", "cancelled")
    }

    assert me["actor"] == "user:ana"
    assert len(waits) == 30
    assert may.count(True) >= 20
    assert all(each["requestedBy"] != "user:ana" for each in waits)
    assert sum(bool(votes(each)) for each in waits) >= 3
    assert approved.status_code == 200
    assert "by user:ana" in told[0]
    assert "paid 312.40 € back to Jonas Weber" in told[1]
    assert before == after
    assert code == 0, found
    assert min(outcomes.values()) >= 3, outcomes
    assert await count(database_url, "approvals WHERE opened_at < now() - interval '25 days'") >= 10


async def may_decide(http: httpx2.AsyncClient, approval_id: str) -> bool:
    answer = await http.get(f"/v1/approvals/{approval_id}/explain")
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["mayDecide"])


def votes(approval: dict[str, Any]) -> list[Any]:
    return [entry for entry in approval["timeline"] if entry["kind"] == "vote"]


async def is_sealed(database_url: str) -> bool:
    """Whether a seal covers all that has happened: others' transactions in the cluster may hold that up."""
    conn = await asyncpg.connect(database_url, server_settings={"search_path": "approval"})
    try:
        return await sealing.unsealed_seconds(conn) == 0
    finally:
        await conn.close()


async def test_it_decides_by_itself_where_it_is_asked_to(tmp_path: Path, database_url: str) -> None:
    """With --auto, an approval is seen from start to end, and the exit code says that it was."""
    async with placet("demo", "--auto", folder=tmp_path, database_url=database_url) as (process, _):
        ended = await says(process, "ended")
        assert await process.wait() == 0

    assert "completed with 'deleted ada" in ended


WORKFLOWS = """
from placet import Context, Placet

app = Placet()

@app.workflow("hello")
async def hello(ctx: Context, input: None) -> None: ...
"""


@pytest.mark.slow
async def test_development_makes_nothing_up_and_the_demo_leaves_its_data_alone(
    tmp_path: Path, database_url: str
) -> None:
    """Without --demo there is nobody but the administrator; with it, on the same data, nothing is added."""
    (tmp_path / "workflows.py").write_text(WORKFLOWS)
    async with placet("dev", "workflows:app", folder=tmp_path, database_url=database_url) as (process, _):
        await says(process, "sign in")
    async with placet("dev", "--demo", folder=tmp_path, database_url=database_url) as (process, _):
        await says(process, "there is other data here already")
        await says(process, "/sign-in/link#")

    assert await count(database_url, "users") == 1
    assert await count(database_url, "approvals") == 0


@pytest.mark.parametrize(
    "arguments", [{"app": "workflows:app", "demo": True}, {"demo": True, "reload": True}, {"app": None}]
)
def test_what_does_not_go_together_is_refused(arguments: dict[str, Any]) -> None:
    """An app beside the demo's, or none at all, is an error that says what to do."""
    with pytest.raises(CommandError, match="--demo"):
        cli.dev(**arguments)
