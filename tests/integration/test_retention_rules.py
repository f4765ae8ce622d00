"""How rules are applied, and what is said of them."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from placet_notifier.settings import Settings as NotifierSettings
from placet_runtime import postgres, quarantine, retention
from placet_runtime.cli import commands
from placet_runtime.quarantine import Refused
from placet_runtime.retention import Retention, Rule

SOON = timedelta(milliseconds=1)


async def test_old_refused_messages_go_in_batches(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and none that is to be taken in again."""
    monkeypatch.setattr(retention, "BATCH", 2)
    async with postgres.connect(database_url, "executor", size=2) as pool:
        await quarantine.add(pool, "executor", [Refused("dead", f"reason {n}", b"x") for n in range(6)])
        await pool.execute("UPDATE quarantine SET retry = true WHERE reason = 'reason 3'")
        assert (await retention.QUARANTINE.due(pool, timedelta(days=1))).rows == 0
        await Retention(pool, "executor", [(retention.QUARANTINE, timedelta(days=1))], SOON).round()
        assert await pool.fetchval("SELECT count(*) FROM quarantine") == 6

        await Retention(pool, "executor", [(retention.QUARANTINE, SOON)], SOON).round()
        assert [row["reason"] for row in await pool.fetch("SELECT reason FROM quarantine")] == ["reason 3"]


async def test_a_command_tells_what_would_go(database_url: str) -> None:
    """For any span, and without deleting it."""
    conn = await asyncpg.connect(database_url, server_settings={"search_path": "executor"})
    await conn.execute(
        """
        INSERT INTO runs (id, event_source, event_id, start_digest, workflow, version, input, status, output, ended_at)
        SELECT n::text, 'x', n::text, 'd', 'w', 1, '1', 'completed', '1',
               timestamptz '2026-01-31 12:00Z' + n * interval '1 day'
          FROM generate_series(1, 3) AS n
        """
    )
    environment = {"PLACET_DATABASE_URL": database_url}

    def told(*arguments: str) -> str:
        return CliRunner().invoke(commands, ["retention", "executor", *arguments], env=environment).output

    assert await asyncio.to_thread(told, "--keep", "1") == (
        "runs: 3, the oldest from 2026-02-01 12:00Z\nquarantine: 0\n"
    )
    assert "runs: 0\n" in await asyncio.to_thread(told, "--keep", "P36500D")
    assert "a span of time" in await asyncio.to_thread(told, "--keep", "soon")
    assert await conn.fetchval("SELECT count(*) FROM runs") == 3
    await conn.close()


def test_how_long_is_a_span_or_for_ever() -> None:
    """Whoever means that nothing is deleted says so; nothing is kept for no time at all."""

    def keep(value: Any) -> timedelta | None:
        settings = NotifierSettings(database_url=SecretStr("postgres://x"), retention_deliveries=value)
        return settings.retention_deliveries

    assert keep("forever") is None
    assert keep("P7D") == timedelta(days=7)
    assert keep("3600") == timedelta(hours=1)
    for wrong in ("0", "-5", "never", "soon"):
        with pytest.raises(ValidationError):
            keep(wrong)


async def test_a_rule_that_fails_keeps_no_other_from_its_work(database_url: str) -> None:
    """An archive that is full stops what goes there, and nothing else."""

    async def fail(*_: Any) -> int:
        raise OSError("no space left")

    async with postgres.connect(database_url, "executor", size=2) as pool:
        await quarantine.add(pool, "executor", [Refused("dead", "reason", b"x")])
        broken = Rule("runs", retention.quarantine_due, fail)

        await Retention(pool, "executor", [(broken, SOON), (retention.QUARANTINE, SOON)], SOON).round()

        assert await pool.fetchval("SELECT count(*) FROM quarantine") == 0
