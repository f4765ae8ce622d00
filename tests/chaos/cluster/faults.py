"""Faults beyond one node. What is broken stays so until the next fault: it has to go on without."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import aio_pika
import asyncpg
from aio_pika.exceptions import AMQPError

from chaos.faults import Effect
from chaos.schedule import Kind, Planned
from chaos.stack import NAMESPACE, Servers, Stack
from kit.cluster import RabbitCluster, cluster
from kit.pair import PostgresPair

KINDS: Mapping[str, Kind] = {
    "broker node": Kind(30, ("leader killed", "follower killed"), ("rabbitmq",)),
    "partition": Kind(30, ("cut off from the others", "cut off from all"), ("rabbitmq",)),
    "failover": Kind(30, ("primary killed, standby promoted",), ("postgres",)),
    "standby": Kind(10, ("standby killed",), ("postgres",)),
}
GAP = (30.0, 40.0)  # seconds; it takes that long until what is broken is whole again
SPARED = frozenset({"I8", "I9"})  # stale passes and a wiped broker are those of `make chaos`

_PAUSES_WITHIN = 45.0  # seconds, a node in the minority
_STANDBY_AWAY = 6.0
_LOOKS_EVERY = 0.5
_PROBE = "CREATE TABLE IF NOT EXISTS public.probe (n int)"
_GONE = (AMQPError, OSError, TimeoutError)


class Cluster:
    """The servers, what befalls them, and how they become whole again."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._mend: Callable[[], Awaitable[None]] | None = None
        self._brokers: RabbitCluster
        self._postgres: PostgresPair

    @asynccontextmanager
    async def servers(self, folder: Path) -> AsyncIterator[Servers]:
        """Five of them."""
        self._postgres = PostgresPair(folder)
        with cluster(folder) as self._brokers:
            try:
                await asyncio.gather(self._postgres.start(), self._brokers.start())
                yield Servers(
                    self._postgres.primary,
                    self._brokers.nodes[0],
                    self._postgres.url("placet"),
                    self._brokers.url,
                    proxied=False,
                )
            finally:
                self._postgres.kill()

    async def inject(self, stack: Stack, folder: Path, planned: Planned) -> Effect:
        """Make whole what the fault before has broken, then break the next. Returns as soon as it is broken."""
        async with self._one_at_a_time:
            await self._whole(stack)
            effect = Effect()
            await {
                "broker node": self._kill,
                "partition": self._part,
                "failover": self._fail_over,
                "standby": self._without_standby,
            }[planned.kind](planned, effect)
            return effect

    async def heal(self, stack: Stack) -> None:
        """Make all whole again."""
        async with self._one_at_a_time:
            await self._whole(stack)

    async def _whole(self, stack: Stack) -> None:
        mend, self._mend = self._mend, None
        if mend is not None:
            await mend()
        await self._brokers.whole(NAMESPACE)

    async def _kill(self, planned: Planned, effect: Effect) -> None:
        led = await self._brokers.led(NAMESPACE)
        ranked = [number for number, _ in led.most_common()]
        number = ranked[0] if planned.variant == "leader killed" else ranked[-1]
        node = self._brokers.nodes[number]
        node.kill()
        effect.seen = f"it led {led[number]} of {led.total()} queues"

        async def mend() -> None:
            await asyncio.to_thread(node.start)

        self._mend = mend

    async def _part(self, planned: Planned, effect: Effect) -> None:
        """The node that leads most. It has an effect once no client gets in: it has paused, or is out of reach."""
        led = await self._brokers.led(NAMESPACE)
        [(number, _)] = led.most_common(1)
        host, node = self._brokers.hosts[number], self._brokers.nodes[number]
        if planned.variant == "cut off from all":
            host.unplug()
        else:
            host.part()
        began = monotonic()

        async def watch() -> None:
            while monotonic() - began < _PAUSES_WITHIN:
                if not await self._answers(node.url):
                    effect.seen = (
                        f"it led {led[number]} of {led.total()} queues, away within {monotonic() - began:.0f} s"
                    )
                    return
                await asyncio.sleep(_LOOKS_EVERY)

        watching = asyncio.create_task(watch())

        async def mend() -> None:
            await watching
            host.heal()
            async with asyncio.timeout(_PAUSES_WITHIN):
                while not await self._answers(node.url):
                    await asyncio.sleep(_LOOKS_EVERY)

        self._mend = mend

    async def _answers(self, url: str) -> bool:
        try:
            connection = await aio_pika.connect(url, timeout=2)
        except _GONE:
            return False
        await connection.close()
        return True

    async def _fail_over(self, planned: Planned, effect: Effect) -> None:
        """The old primary stays down until it comes back as a standby."""
        before = await self._postgres.timeline()
        self._postgres.primary.kill()
        failing_over = asyncio.create_task(self._postgres.fail_over())

        async def mend() -> None:
            await failing_over
            after = await self._postgres.timeline()
            effect.seen = f"timeline {after} after {before}" if after > before else ""
            await self._postgres.attach()

        self._mend = mend

    async def _without_standby(self, planned: Planned, effect: Effect) -> None:
        """Has an effect if nothing is acknowledged meanwhile."""
        self._postgres.standby.kill()
        conn = await asyncpg.connect(self._postgres.primary.url)
        try:
            await conn.execute(_PROBE, timeout=_STANDBY_AWAY)
        except TimeoutError:
            effect.seen = f"for {_STANDBY_AWAY:.0f} s no commit was acknowledged"
        finally:
            conn.terminate()
        await self._postgres.resume()
