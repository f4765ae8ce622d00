"""A hundred thousand refused messages: looking, counting, taking in again and discarding stay quick, and small."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import RunCancel
from placet_runtime import postgres, quarantine
from placet_runtime.cli import commands
from placet_runtime.consumer import Consumer, Permanent
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.postgres import Pool
from placet_runtime.quarantine import Refused

MANY = 100_000
_BODY = (
    '{"specversion": "1.0", "id": "%s", "source": "x", "type": "run.cancel.v1",'
    ' "data": {"runId": "run-%s", "cancelledBy": "x"}}'
)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with postgres.connect(database_url, "executor", size=4) as made:
        yield made


async def fill(pool: Pool, count: int) -> None:
    """Messages with one of ten reasons, a millisecond apart."""
    await pool.execute(
        """
        INSERT INTO quarantine (id, type, reason, body, created_at)
        SELECT gen_random_uuid(), 'run.cancel.v1', 'reason ' || n % 10,
               convert_to(format($2, n, n), 'UTF8'), now() - (n || ' ms')::interval
          FROM generate_series(1, $1::integer) AS n
        """,
        count,
        _BODY,
    )
    await pool.execute("ANALYZE quarantine")


async def placet(database_url: str, *arguments: str) -> tuple[str, float]:
    """What a command prints, and how long it takes."""

    def invoke() -> str:
        done = CliRunner().invoke(
            commands, ["quarantine", *arguments], env={"PLACET_DATABASE_URL": database_url}, catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return done.output

    began = monotonic()
    return await asyncio.to_thread(invoke), monotonic() - began


async def test_many_are_looked_at_page_by_page(pool: Pool, database_url: str) -> None:
    """Each page is found by an index, without a single body being read; a summary counts by reason."""
    await fill(pool, MANY)

    first, took = await placet(database_url, "list", "executor", "--limit", "3")
    assert took < 2
    ids = re.findall(r"^\S+", first, re.MULTILINE)
    second, took = await placet(database_url, "list", "executor", "--limit", "3", "--before", ids[-1])
    assert took < 2
    reasons = re.findall(r"reason \d", first + second)
    assert reasons == [f"reason {n}" for n in range(1, 7)]
    summary, took = await placet(database_url, "summary", "executor")
    assert took < 5
    assert summary.splitlines() == [f"   10000  run.cancel.v1  reason {n}" for n in range(10)]


async def test_many_are_discarded_by_their_reason(pool: Pool, database_url: str) -> None:
    """Those that are meant, in batches; the others stay."""
    await fill(pool, MANY)

    said, took = await placet(database_url, "discard", "executor", "--reason", "reason 3")
    assert said == "10000 discarded\n"
    said, more = await placet(database_url, "discard", "executor", "--all")
    assert said == "90000 discarded\n"
    assert took + more < 30
    assert await pool.fetchval("SELECT count(*) FROM quarantine") == 0


async def test_many_are_taken_in_again(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round takes in as many as there are; what is refused again stays, and is not tried for ever."""
    monkeypatch.setattr("placet_runtime.consumer._RETRY_FOR", 600.0)  # however slow this machine is
    seen: list[str] = []

    async def handle(events: Sequence[CloudEvent[Any]]) -> None:
        if any(event.data.run_id.endswith("7") for event in events):
            raise Permanent("not this one")
        seen.extend(event.data.run_id for event in events)

    consumer = Consumer(LocalBus(LocalBroker(), "executor"), pool, {RunCancel: handle})
    await fill(pool, 300)
    said, _ = await placet(database_url, "retry", "executor", "--type", "run.cancel.v1")
    assert said == "300 will be taken in again\n"

    await consumer.retry()

    assert len(set(seen)) == len(seen) == 270
    rows = await pool.fetch("SELECT DISTINCT reason, retry FROM quarantine")
    assert [tuple(row) for row in rows] == [("not this one", False)]
    assert await pool.fetchval("SELECT count(*) FROM quarantine") == 30


async def test_a_round_of_retries_ends_after_some_seconds(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, the loop comes round: what is left waits for the next round."""
    monkeypatch.setattr("placet_runtime.consumer._RETRY_FOR", 0.0)
    consumer = Consumer(LocalBus(LocalBroker(), "executor"), pool, {})
    await fill(pool, 10)
    await quarantine.retry(pool, await quarantine.chosen(pool, quarantine.Chosen()))

    await consumer.retry()

    assert await pool.fetchval("SELECT count(*) FROM quarantine WHERE retry") >= 9


async def test_what_is_meant_is_said_in_one_way(database_url: str) -> None:
    """Neither nothing nor two things: a mistyped command must not discard everything."""
    for wrong in ([], ["--all", "--reason", "x"], ["a3bb189e-8bf9-3888-9912-ace4e6543002", "--all"]):
        done = CliRunner().invoke(
            commands, ["quarantine", "discard", "executor", *wrong], env={"PLACET_DATABASE_URL": database_url}
        )
        assert done.exit_code == 2
        assert "name one message" in done.output


async def test_large_messages_are_kept_in_several_statements(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement takes no more than so many bytes at a time, and one message at least."""
    statements: list[int] = []
    execute = asyncpg.Connection._do_execute  # type: ignore[attr-defined]

    async def count(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        statements.append("INSERT INTO quarantine" in query)
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(asyncpg.Connection, "_do_execute", count)
    large = [Refused("workflow.start.v1", f"reason {n}", bytes(7 * 1024 * 1024)) for n in range(5)]
    huge = Refused("workflow.start.v1", "huge", bytes(20 * 1024 * 1024))

    await quarantine.add(pool, "executor", [*large, huge])

    assert sum(statements) == 4
    kept = await quarantine.newest(pool, 10)
    assert sorted(item.size for item in kept) == [7 * 1024 * 1024] * 5 + [20 * 1024 * 1024]
