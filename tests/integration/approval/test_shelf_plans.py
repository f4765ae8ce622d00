"""Lists of a large backlog read what they show, and not the rest of it."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest
import pytest_asyncio

from kit import backlog
from kit.database import database
from placet_approval.deps import Deps
from placet_approval.domain import Person
from placet_approval.handlers import shelves
from placet_approval.shelf import SHELVES, Place, Query
from placet_approval.store import identities
from placet_runtime.postgres import Connection, session_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING, RESOLVED = 10_000, 15_000
LIMIT = 50
FEW = 12 * (LIMIT + 1)  # a page of what each is asked as, and then some
MOST = shelves.LOOKED_AT + 2


class Explainer:
    """A pool of one connection, which tells how the statements that read were carried out."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.transaction = conn.transaction
        self.execute = conn.execute
        self.fetchval = conn.fetchval
        self.read = 0.0  # the most rows that a part of a statement went through

    @asynccontextmanager
    async def acquire(self, timeout: float | None = None) -> AsyncIterator["Explainer"]:
        yield self

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        [row] = await self._conn.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", *values)
        self.read = max(self.read, *map(_rows, _nodes(json.loads(row[0])[0]["Plan"])))
        return await self._conn.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: Any) -> asyncpg.Record | None:
        rows = await self.fetch(statement, *values)
        return rows[0] if rows else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conn(postgres_url: str) -> AsyncIterator[Connection]:
    """A large backlog, and a history."""
    async with database(postgres_url) as dsn:
        made = await asyncpg.connect(dsn, server_settings=session_settings("approval", "placet tests"))
        await backlog.fill(made, pending=PENDING, resolved=RESOLVED)
        yield made
        await made.close()


async def somebody(conn: Connection) -> Person:
    """Somebody who is in three groups, and for one more."""
    return (await identities.resolve(conn, ["user:p6"]))["user:p6"]


async def read(conn: Connection, query: Query, after: Place | None = None) -> tuple[float, shelves.Page]:
    """The most rows that a part of a statement went through, for a page; and the page."""
    explainer = Explainer(conn)
    deps = cast(Deps, _Reading(explainer))
    page = await shelves.page(deps, await somebody(conn), query, after=after, limit=LIMIT)
    return explainer.read, page


class _Reading:
    def __init__(self, pool: Explainer) -> None:
        self.pool = pool


@pytest.mark.parametrize("order", ["newest", "oldest", "due"])
@pytest.mark.parametrize("shelf", SHELVES)
async def test_a_page_reads_no_more_than_itself(conn: Connection, shelf: Any, order: Any) -> None:
    """The first one, and one that is far in."""
    query = Query(shelf, order=order)
    rows, page = await read(conn, query)
    assert (rows <= FEW, len(page.items), page.cut) == (True, LIMIT, False)

    deep = await conn.fetchrow(
        f"""
        SELECT {query.streams[0].by} AS at, id FROM approvals
         WHERE status {"<>" if shelf == "history" else "="} 'pending' AND {query.streams[0].by} IS NOT NULL
         ORDER BY 1 OFFSET 1500 LIMIT 1
        """
    )
    assert deep is not None
    rows, page = await read(conn, query, Place(0, deep["at"], deep["id"]))
    assert (rows <= FEW, len(page.items) > 0) == (True, True)


@pytest.mark.parametrize(
    "asked", [{"outcome": "expired"}, {"outcome": "cancelled"}, {"outcome": "rejected"}, {"outcome": "approved"},
              {"workflow": "rare"}, {"workflow": "flow-3"}], ids=str
)  # fmt: skip
async def test_a_page_of_the_history_reads_no_more_than_itself(conn: Connection, asked: Mapping[str, Any]) -> None:
    """Also of what is rare in it."""
    rows, page = await read(conn, Query("history", **asked))

    assert (rows <= FEW or asked["outcome"] == "approved", page.cut) == (True, False)


@pytest.mark.parametrize(
    "asked", [{"text": "nothing like it"}, {"text": "NUMBER 77"}, {"workflow": "flow-3"}, {"workflow": "rare"},
              {"gate": "none"}, {"requester": "user:p9"}, {"requester": "nobody"},
              {"text": "nothing", "order": "due"}], ids=str
)  # fmt: skip
@pytest.mark.parametrize("shelf", SHELVES)
async def test_a_search_looks_at_so_many_and_says_so(conn: Connection, shelf: Any, asked: Mapping[str, Any]) -> None:
    """Where more are left it leads on to them."""
    rows, page = await read(conn, Query(shelf, **asked))

    assert rows <= MOST
    assert page.cut == (shelf == "history" and len(page.items) < LIMIT and set(asked) != {"workflow"})
    if page.cut:
        assert page.next is not None
        _, rest = await read(conn, Query(shelf, **asked), page.next)
        assert (rest.cut, rest.next) == (False, None)


async def test_a_run_is_found_by_its_id_however_old(conn: Connection) -> None:
    """Through its index, beyond all that a search looks at; it comes first, and once."""
    rows, page = await read(conn, Query("history", text=f"old-{RESOLVED}"))
    assert (rows <= MOST, [item.run_id for item in page.items]) == (True, [f"old-{RESOLVED}"])

    _, page = await read(conn, Query("all", text="run-77"))
    found = [item.run_id for item in page.items]
    assert (found[0], found.count("run-77"), len(found) > 10) == ("run-77", 1, True)


async def test_counting_stops_where_it_says_that_there_are_more(conn: Connection) -> None:
    """It is on every page."""
    explainer = Explainer(conn)
    counts = await shelves.counts(cast(Deps, _Reading(explainer)), await somebody(conn))

    assert (counts.words("mine"), counts.words("groups")) == ("99+", "99+")
    assert explainer.read <= 12 * shelves.MOST_COUNTED


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _rows(node: Mapping[str, Any]) -> float:
    """What a part of a plan gave on, and what it read in vain, however often it was begun."""
    in_vain = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + in_vain) * node["Actual Loops"])
