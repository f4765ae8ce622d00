"""`placet audit`, on the command line and in the API; and the roles that keep even the service from changing it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from kit.ledger import Ledger, ledger
from kit.product import Product, product
from kit.waiting import eventually
from placet import Context, Interrupt, Placet
from placet_approval.cli import commands
from placet_approval.handlers import sealing
from placet_runtime import migrations, postgres
from placet_runtime.receipts import generate_key, public_key

ROOT = Path(__file__).parents[3]
app = Placet()


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    return "done" if ctx.approved else Interrupt.approval(message="May I?")


async def command(book: Ledger, *arguments: str, key: str | None = None) -> Result:
    """What ``placet audit`` does."""
    environment = {"PLACET_DATABASE_URL": book.url, "PLACET_VERIFY_KEYS": public_key(key or book.key), "TERM": "dumb"}
    return await asyncio.to_thread(CliRunner().invoke, commands, ["audit", *arguments], env=environment)


# --- commands


async def test_a_whole_audit_verifies(history: Ledger) -> None:
    """Exit code 0, and how much was looked at."""
    shown = await command(history, "verify")
    read = await command(history, "verify", "--json")

    assert (shown.exit_code, read.exit_code) == (0, 0), shown.output + read.output
    assert shown.output.startswith("0 findings in 5 rows under 3 seals, 0 of them not sealed yet; every transition")
    [facts] = [json.loads(line) for line in read.output.splitlines()]
    assert (facts["findings"], facts["seals"], facts["rows"], facts["unsealed"]) == (0, 3, 5, 0)
    assert facts["head"]["seal"] == (await sealing.get_head(history.deps)).seal


async def test_what_is_wrong_is_listed(history: Ledger) -> None:
    """A line for each finding, and exit code 1."""
    await history.tamper("UPDATE audit SET at = now() WHERE id = 4")

    shown = await command(history, "verify")
    read = await command(history, "verify", "--json")

    assert (shown.exit_code, read.exit_code) == (1, 1)
    assert shown.output.startswith("altered entry: row ")
    finding, facts = [json.loads(line) for line in read.output.splitlines()]
    assert (finding["problem"], facts["findings"]) == ("altered entry", 1)


async def test_a_kept_head_is_found_again(history: Ledger, tmp_path: Path) -> None:
    """As it was printed, as JSON, as lines of a log, or given itself; and it tells of a tail that was cut off."""
    (plain := tmp_path / "head.jws").write_text((await command(history, "head")).output)
    (read := tmp_path / "head.json").write_text((await command(history, "head", "--json")).output)
    log = f'{{"event": "approval.resolved"}}\n{{"event": "audit.head", "seal": "{plain.read_text().strip()}"}}\n'
    (lines := tmp_path / "log").write_text(log)
    given = [str(plain), str(read), str(lines), plain.read_text().strip()]
    for head in given:
        assert (await command(history, "verify", "--head", head)).exit_code == 0

    await history.tamper("DELETE FROM audit_seals WHERE seq = 3")
    for head in given:
        shown = await command(history, "verify", "--head", head)
        assert (shown.exit_code, shown.output.splitlines()[0]) == (
            1,
            "truncated: seal 3: it was exported, and the chain ends at seal 2",
        )


async def test_bad_options_are_refused(history: Ledger, tmp_path: Path) -> None:
    """What is no head, no key, no place says so, and nothing is called verified."""
    (empty := tmp_path / "empty").write_text("")

    assert (await command(history, "verify", "--head", str(empty))).exit_code == 2
    assert (await command(history, "verify", "--head", "no-such-file")).exit_code == 1
    assert (await command(history, "export", "--after", "x")).exit_code == 2
    assert "bad signature" in (await command(history, "verify", key=generate_key())).output
    bare = await asyncio.to_thread(
        CliRunner().invoke, commands, ["audit", "verify"], env={"PLACET_DATABASE_URL": history.url}
    )
    assert bare.exit_code == 2


async def test_an_export_can_be_gone_on_with(history: Ledger) -> None:
    """One entry a line, the oldest first, in order; behind a place, only what came after it."""
    lines = [json.loads(line) for line in (await command(history, "export")).output.splitlines()]
    assert [line["kind"] for line in lines] == ["began", "opened", "opened", "approved", "rejected"]
    assert (lines[4]["by"], lines[4]["comment"]) == ("key:ana", "no")

    rest = (await command(history, "export", "--after", lines[2]["place"])).output.splitlines()
    assert [json.loads(line) for line in rest] == lines[3:]
    assert (await command(history, "export", "--after", lines[4]["place"])).output == ""


async def test_before_anything_is_sealed_there_is_no_head(database_url: str) -> None:
    """Exit code 1, and no empty file that would pass for one."""
    async with ledger(database_url) as book:
        shown = await command(book, "head")

    assert (shown.exit_code, shown.stdout) == (1, "")


@pytest.mark.slow
async def test_the_commands_of_the_guide_run(history: Ledger, tmp_path: Path) -> None:
    """Each of them, as it stands, one after the other."""
    guide = (ROOT / "docs/guides/audit.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("placet audit")]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PLACET_DATABASE_URL": history.url,
        "PLACET_VERIFY_KEYS": public_key(history.key),
    }

    assert {line.split()[2] for line in lines} == {"head", "verify", "export"}
    for line in lines:
        ran = await asyncio.to_thread(
            subprocess.run, ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (ran.returncode, ran.stderr) == (0, ""), line


# --- the service


@pytest.fixture
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


async def test_a_service_seals_and_tells(placet: Product, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What happens is sealed by itself; the API gives the head; when the service stops, its log has the last one."""
    run_id = await placet.start("asks")
    await placet.approve(await placet.paused(run_id))
    await placet.ended(run_id)

    async def head() -> dict[str, Any]:
        answer = await placet.http.get("/v1/audit/head")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    await eventually(lambda: _is_sealed(placet))
    kept = await head()
    assert kept["seq"] >= 1
    assert re.fullmatch("[0-9a-f]{64}", kept["hash"])
    capsys.readouterr()
    await placet.running.stop("approval")

    assert f"seal={kept['seal']}" in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    environment = {
        "PLACET_DATABASE_URL": placet.running.database_url,
        "PLACET_SIGNING_KEY": placet.running._signing_key,
    }
    (file := tmp_path / "head").write_text(json.dumps(kept))
    arguments = ["audit", "verify", "--grace", "0", "--head", str(file)]
    verified = await asyncio.to_thread(CliRunner().invoke, commands, arguments, env=environment)
    assert verified.exit_code == 0, verified.output
    await placet.running.start("approval")


async def _is_sealed(placet: Product) -> bool:
    text = (await placet.http.get("/metrics")).text
    found = re.search(r"^placet_audit_unsealed_seconds (\S+)$", text, re.MULTILINE)
    return found is not None and float(found[1]) == 0


# --- roles


def as_role(dsn: str, role: str) -> str:
    """The address, with another role's rights."""
    return f"{dsn}{'&' if '?' in dsn else '?'}role={role}"


async def test_the_role_of_the_service_can_only_add(empty_database_url: str) -> None:
    """After `deploy/postgres/audit.sql` the service works, and can neither change nor drop what it has noted."""
    suffix = uuid4().hex[:8]
    service, owner, auditor = f"approval_{suffix}", f"owner_{suffix}", f"auditor_{suffix}"
    script = (ROOT / "deploy/postgres/audit.sql").read_text("utf-8").replace("\\set ON_ERROR_STOP on\n", "")
    script = script.replace("TO approval;", f"TO {service};")
    script = script.replace("placet_audit_owner", owner).replace("placet_auditor", auditor)
    admin = await asyncpg.connect(empty_database_url, server_settings={"search_path": "approval"})
    try:
        await admin.execute(f"CREATE ROLE {service}; CREATE SCHEMA approval AUTHORIZATION {service}")
        await migrations.apply(as_role(empty_database_url, service), "approval")
        await admin.execute(script)

        async with ledger(as_role(empty_database_url, service)) as book:
            [id] = await book.open()
            await book.decide(id)
            await book.seal()
            for statement in (
                "UPDATE audit SET at = now()",
                "DELETE FROM audit",
                "TRUNCATE audit_seals",
                "ALTER TABLE audit DISABLE TRIGGER ALL",
                "DROP TRIGGER audit_only_grows ON audit",
                "DROP TABLE audit",
                "DROP SCHEMA approval CASCADE",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await book.deps.pool.execute(statement)

            reader = Ledger(book.deps, book.key, as_role(empty_database_url, auditor))
            verified = await command(reader, "verify", "--grace", "0")
            assert verified.exit_code == 0, verified.output
            exported = (await command(reader, "export")).output
            assert [json.loads(line)["kind"] for line in exported.splitlines()] == ["began", "opened", "approved"]
            async with postgres.connect(reader.url, "approval", size=1) as pool:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.fetch("SELECT hash FROM api_keys")
    finally:
        await admin.execute(
            f"DROP SCHEMA IF EXISTS approval CASCADE; DROP ROLE IF EXISTS {service}, {owner}, {auditor}"
        )
        await admin.close()
