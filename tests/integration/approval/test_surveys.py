"""Surveys cost the database little, however many look at them."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from kit.past import World, past
from placet_approval.domain import TooMuchToRead
from placet_approval.handlers import insights
from placet_approval.handlers.insights import Asked, Surveys
from placet_runtime import postgres
from placet_runtime.postgres import Pool


@pytest.fixture
async def world(postgres_url: str) -> AsyncIterator[World]:
    async with past(postgres_url) as made:
        yield made


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_survey_is_kept_for_a_while(world: World) -> None:
    """For those who ask for the same, and for so many different ones."""
    clock = Clock()
    surveys = Surveys(world.pool, seconds=30, size=2, clock=clock)
    first = await surveys.of(Asked(7))
    await world.happen(random.Random(0), 50)

    clock.now += 29
    assert await surveys.of(Asked(7)) is first
    other = await surveys.of(Asked(30))
    assert other.total.decided > 0
    clock.now += 2
    assert (await surveys.of(Asked(7))).total.decided > 0
    await surveys.of(Asked(90))
    assert await surveys.of(Asked(30)) is not other


async def test_many_who_ask_at_once_cost_one_survey(world: World) -> None:
    """The others wait for the first, and are given the same."""
    surveys = Surveys(world.pool)
    first, *others = await asyncio.gather(*(surveys.of(Asked(days)) for days in (7, 7, 7, 7, 7)))

    assert all(other is first for other in others)


async def test_what_takes_long_is_kept_for_longer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as long as it took, so that looking at it all the time costs the database a tenth of its time."""
    clock = Clock()
    read = insights.read

    async def slow(pool: Pool, asked: Asked) -> insights.Insights:
        clock.now += 8
        return await read(pool, asked)

    monkeypatch.setattr(insights, "read", slow)
    surveys = Surveys(world.pool, seconds=30, clock=clock)
    first = await surveys.of(Asked(7))
    clock.now += 79
    assert await surveys.of(Asked(7)) is first
    clock.now += 2
    assert await surveys.of(Asked(7)) is not first


async def test_what_takes_too_long_is_told(world: World) -> None:
    """A table that cannot be read in time is an error that says what to ask for, and the next one is as good as new."""
    await world.happen(random.Random(0), 50)
    surveys = Surveys(world.pool, patience=0.2)
    async with world.conn.transaction():
        await world.conn.execute("LOCK TABLE approvals")
        with pytest.raises(TooMuchToRead, match="7 days"):
            await surveys.of(Asked(7))

    patient = Surveys(world.pool)
    assert (await patient.of(Asked(7))).total.decided > 0


async def test_a_survey_reads_on_one_core_and_in_the_range_alone(world: World) -> None:
    """Beside a hundred days of history, seven days are found by the index of what has ended."""
    await world.conn.execute(
        """
        SET session_replication_role = replica;
        INSERT INTO approvals (id, run_id, workflow, version, gate, status, input, digest, notified, opened_at,
                               resolved_at, resolved_by, channel)
        SELECT gen_random_uuid(), n::text, 'w', 1, 'g', 'approved', '1', 'd', false, at, at, 'user:ana', 'inbox'
          FROM (SELECT n, now() - n * interval '10 min' AS at FROM generate_series(1, 20000) AS n) AS made;
        ANALYZE approvals;
        """
    )
    async with postgres.surveying(world.pool, 5) as conn:
        settings = {
            name: await conn.fetchval(f"SHOW {name}")
            for name in ("transaction_read_only", "transaction_isolation", "max_parallel_workers_per_gather",
                         "statement_timeout")
        }  # fmt: skip
        plan = await conn.fetch(
            "EXPLAIN SELECT workflow FROM approvals WHERE status <> 'pending' AND resolved_at >= now() - interval '7 d'"
        )

    assert list(settings.values()) == ["on", "repeatable read", "0", "5s"]
    assert "approvals_resolved" in "".join(row[0] for row in plan)
