"""A Postgres with a synchronous standby: what it acknowledges, both have."""

import asyncio
from pathlib import Path

import asyncpg

from kit.nodes import PostgresNode
from kit.outcome import CannotBeHad

_FOLLOWS_WITHIN = 60.0  # seconds
_LOOKS_EVERY = 0.1


class PostgresPair:
    """Two nodes, of which one is the primary and the other its standby, or down."""

    def __init__(self, folder: Path) -> None:
        self._nodes = [PostgresNode(folder / f"postgres-{number}") for number in range(2)]

    @property
    def primary(self) -> PostgresNode:
        return self._nodes[0]

    @property
    def standby(self) -> PostgresNode:
        return self._nodes[1]

    def url(self, database: str) -> str:
        """Both, in the order of their ports: whoever uses it has to find out which one takes writes."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in sorted(node.port for node in self._nodes))
        return f"postgresql://placet@{hosts}/{database}?target_session_attrs=read-write"

    def kill(self) -> None:
        """Both."""
        for node in self._nodes:
            node.kill()

    async def start(self) -> None:
        """Start both; returns when no commit is acknowledged any more that the standby has not."""
        await self.primary.start()
        await self.attach()

    async def attach(self) -> None:
        """Have the node that is down come back as a standby, of a fresh copy: what it alone has is gone for good."""
        await asyncio.to_thread(self.standby.wipe)
        await asyncio.to_thread(self.standby.follow, self.primary)
        await self.standby.start()
        await self._streams()
        await self._require("*")
        await self._streams("sync")

    async def resume(self) -> None:
        """Start a standby that was killed again."""
        await self.standby.start()
        await self._streams("sync")

    async def fail_over(self) -> None:
        """Promote the standby of a primary that is dead. That one stays down, and commits wait for nobody until
        `attach`."""
        self._nodes.reverse()
        async with asyncio.timeout(_FOLLOWS_WITHIN):
            conn = await asyncpg.connect(self.primary.url)
            if not await conn.fetchval("SELECT pg_promote()"):
                raise CannotBeHad("the standby was not promoted")
            await conn.close()
        await self._require("")

    async def timeline(self) -> int:
        """How many primaries there have been, by the primary of now."""
        conn = await asyncpg.connect(self.primary.url)
        try:
            return int(
                await conn.fetchval("SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int")
            )
        finally:
            await conn.close()

    async def _require(self, standbys: str) -> None:
        conn = await asyncpg.connect(self.primary.url)
        await conn.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'")
        await conn.execute("SELECT pg_reload_conf()")
        await conn.close()

    async def _streams(self, state: str | None = None) -> None:
        conn = await asyncpg.connect(self.primary.url)
        try:
            async with asyncio.timeout(_FOLLOWS_WITHIN):
                while True:
                    found = await conn.fetch("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")
                    if found and state in (None, found[0]["sync_state"]):
                        return
                    await asyncio.sleep(_LOOKS_EVERY)
        finally:
            await conn.close()
