"""DBOS: the workflow of `on_dbos` in one process with a small HTTP app, on a database of Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns
from uuid import uuid4

from bench.driver import INPUT, Cycles, call
from bench.http import Client
from bench.peers import environments
from bench.peers.deployment import Deployment
from bench.processes import free_port, process, ready
from kit.database import empty_database

_THREADS = 8  # that statements run in; it may start any number by default, and does less the more there are
_APP = Path(__file__).parent / "apps" / "on_dbos.py"


class DBOS:
    """Runs of the workflow ``gate``."""

    async def cycle(self, client: Client, seen: Cycles) -> None:
        run_id, started = uuid4().hex, monotonic_ns()
        await self._paused(client, run_id)
        approved = monotonic_ns()
        await call(client, "POST", f"/runs/{run_id}/approve", "approve")
        output = await call(client, "GET", f"/runs/{run_id}/result")
        seen.end(started=started, entered=output["entered"], approved=approved, resumed=output["resumed"])

    async def pause(self, client: Client) -> None:
        await self._paused(client, uuid4().hex)

    async def _paused(self, client: Client, run_id: str) -> None:
        await call(client, "POST", f"/runs/{run_id}", INPUT)
        await call(client, "GET", f"/runs/{run_id}/paused")


def install() -> Path:
    """The interpreter that runs the workflow.

    Raises:
        Missing: it cannot be had.
    """
    return environments.python("dbos")


@asynccontextmanager
async def running(postgres_url: str) -> AsyncIterator[Deployment]:
    """DBOS on a database of its own, as it comes but for the number of its threads."""
    python, port = install(), free_port()
    url = f"http://127.0.0.1:{port}"
    async with empty_database(postgres_url) as database_url:
        async with process([python, _APP, database_url, str(port), str(_THREADS)], {}):
            await ready(url, "/readyz")
            packages = environments.pinned("dbos", "dbos", "sqlalchemy", "psycopg", "uvicorn", "uvloop")
            facts = {"version": packages.pop("dbos"), **packages, "max_executor_threads": _THREADS}
            yield Deployment(DBOS(), url, facts, database_url=database_url)
