"""Commits that wait for a synchronous standby: acknowledged once it has them, and never before."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from kit.local import folder
from kit.nodes import PostgresNode
from placet_runtime import postgres


@pytest.fixture
async def without_its_standby() -> AsyncIterator[str]:
    """A primary whose synchronous standby is away."""
    with folder() as own:
        node = PostgresNode(Path(own) / "postgres", {"synchronous_standby_names": "standby"})
        try:
            await node.start()
            conn = await asyncpg.connect(node.url, server_settings={"synchronous_commit": "local"})
            await conn.execute("CREATE TABLE acknowledged (id text)")
            await conn.close()
            yield node.url
        finally:
            node.kill()


async def test_a_commit_that_no_standby_has_is_never_acknowledged(
    without_its_standby: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We give up on it before Postgres does: that would call it committed, with no more than a warning."""
    monkeypatch.setattr(postgres, "COMMAND_TIMEOUT", 1)
    async with postgres.connect(without_its_standby, "public", size=2) as pool:
        with pytest.raises(TimeoutError) as raised:
            await pool.execute("INSERT INTO acknowledged VALUES ('a')")

        patience = await pool.fetchval("SELECT extract(epoch FROM current_setting('statement_timeout')::interval)")

    assert isinstance(raised.value, postgres.UNAVAILABLE)
    assert patience > 2 * postgres.COMMAND_TIMEOUT
