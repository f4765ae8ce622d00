"""A page of a list reads what it shows, and not the rest of the table."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from kit.database import database
from placet_approval.handlers import quarantine, reading
from placet_approval.quarantined import Name
from placet_approval.store import runs, workflows
from placet_runtime.postgres import Connection, session_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 20_000
LIMIT = 50
ANY_RUN: dict[str, Any] = {"workflow": None, "status": None, "parked": None, "after": None}
ANY_APPROVAL: dict[str, Any] = {"workflow": None, "status": None, "run_id": None, "after": None}


class Explainer:
    """A pool of one connection, which tells how the statements that read were carried out."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.transaction = conn.transaction
        self.execute = conn.execute
        self.read = 0.0  # the most rows that a part of a statement went through

    @asynccontextmanager
    async def acquire(self, timeout: float | None = None) -> AsyncIterator["Explainer"]:
        yield self

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        # As prepared statements are, which are planned once; EXPLAIN alone would plan for the values.
        await self._conn.execute(f"PREPARE page AS {statement}")
        given = [await self._conn.fetchval("SELECT quote_literal($1::text)", str(value)) for value in values]
        call = f"page({', '.join(given)})" if given else "page"
        [row] = await self._conn.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {call}")
        await self._conn.execute("DEALLOCATE page")
        self.read = max(_rows(node) for node in _nodes(json.loads(row[0])[0]["Plan"]))
        return []


class Reading:
    """What the handlers that read need."""

    def __init__(self, pool: Explainer) -> None:
        self.pool = pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conn(postgres_url: str) -> AsyncIterator[Connection]:
    """Many paused runs of one workflow, each with its pending approval, and nothing else."""
    async with database(postgres_url) as dsn:
        made = await asyncpg.connect(dsn, server_settings=session_settings("approval", "placet tests"))
        await made.execute(
            f"""
            INSERT INTO runs (id, workflow, version, status, created_at)
            SELECT 'run-' || n, 'common', 1, 'paused', now() + n * interval '1 s' FROM generate_series(1, {MANY}) AS n;
            INSERT INTO approvals (id, run_id, workflow, version, gate, status, input, digest, notified, opened_at)
            SELECT gen_random_uuid(), id, workflow, 1, 'approval', 'pending', '1', 'd', false, created_at FROM runs;
            INSERT INTO quarantined (service, id, seq, event_type, reason, at)
            SELECT CASE WHEN n % 5000 = 0 THEN 'notifier' ELSE 'executor' END, gen_random_uuid(), n,
                   CASE WHEN n % 7000 = 0 THEN 'rare' ELSE 'common' END, 'why', now() + n * interval '1 s'
              FROM generate_series(1, {MANY}) AS n;
            """
        )
        await made.execute("ANALYZE")
        yield made
        await made.close()


@pytest.mark.parametrize(
    "asked", [{}, {"status": "paused"}, {"status": "failed"}, {"status": "completed"}, {"workflow": "rare"},
              {"workflow": "common"}, {"parked": True}, {"workflow": "rare", "status": "paused"}], ids=str
)  # fmt: skip
async def test_a_page_of_runs_reads_no_more_than_itself(conn: Connection, asked: Mapping[str, Any]) -> None:
    """Whatever it is asked for, however few there are."""
    explainer = Explainer(conn)
    await reading.list_runs(Reading(explainer), limit=LIMIT, **{**ANY_RUN, **asked})  # type: ignore[arg-type]

    assert explainer.read <= LIMIT


@pytest.mark.parametrize(
    "asked", [{"text": "n-19999"}, {"text": "no such"}, {"text": "RUN", "status": "paused"}], ids=str
)  # fmt: skip
async def test_looking_for_a_text_reads_the_newest_runs_at_most(conn: Connection, asked: Mapping[str, Any]) -> None:
    """A part of an id or of a requester is looked for in so many of them, and no more."""
    explainer = Explainer(conn)
    await runs.page(explainer, limit=LIMIT, **{**ANY_RUN, **asked})  # type: ignore[arg-type]

    assert explainer.read <= runs.SEARCHED < MANY


@pytest.mark.parametrize(
    "asked", [{}, {"status": "pending"}, {"status": "expired"}, {"status": "approved"}, {"workflow": "rare"},
              {"workflow": "common"}, {"run_id": "run-5"}, {"workflow": "rare", "status": "pending"}], ids=str
)  # fmt: skip
async def test_a_page_of_approvals_reads_no_more_than_itself(conn: Connection, asked: Mapping[str, Any]) -> None:
    """Whatever it is asked for, however few there are."""
    explainer = Explainer(conn)
    await reading.list_approvals(Reading(explainer), limit=LIMIT, **{**ANY_APPROVAL, **asked})  # type: ignore[arg-type]

    assert explainer.read <= LIMIT


@pytest.mark.parametrize("asked", [{}, {"service": "executor"}, {"service": "notifier"}, {"event_type": "rare"},
                                   {"service": "notifier", "event_type": "rare"}], ids=str)  # fmt: skip
async def test_a_page_of_the_quarantine_reads_no_more_than_itself(conn: Connection, asked: Mapping[str, Any]) -> None:
    """Whatever it is asked for, from any place on."""
    for after in (None, (datetime.now(UTC) + timedelta(seconds=MANY // 2), Name("executor", UUID(int=5)))):
        explainer = Explainer(conn)
        query = {"service": None, "event_type": None, "after": after, **asked}
        await quarantine.listed(Reading(explainer), limit=LIMIT, **query)  # type: ignore[arg-type]

        assert explainer.read <= LIMIT


async def test_counting_open_runs_reads_no_ended_one(conn: Connection) -> None:
    """Beside many that have ended, what is open is found by an index."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(
            "UPDATE runs SET status = 'completed', ended_at = now() WHERE id <> ALL (ARRAY['run-1', 'run-2'])"
        )
        await conn.execute("ANALYZE runs")
        explainer = Explainer(conn)
        await workflows.open_runs(explainer, "common")  # type: ignore[arg-type]
    finally:
        await transaction.rollback()

    assert explainer.read <= 2


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _rows(node: Mapping[str, Any]) -> float:
    """What a part of a plan gave on, and what it read in vain."""
    in_vain = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float(node["Actual Rows"] + in_vain)
