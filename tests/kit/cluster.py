"""A RabbitMQ cluster of three, each node on a host of a network of the machine's own."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from kit.network import Host, network
from kit.nodes import RabbitNode
from kit.outcome import CannotBeHad

_NAMES = ("rabbit-a", "rabbit-b", "rabbit-c")
_WHOLE_WITHIN = 90.0  # seconds
_LOOKS_EVERY = 0.5


class RabbitCluster:
    """The nodes, and their hosts in the same order."""

    def __init__(self, folder: Path, hosts: list[Host]) -> None:
        self.hosts = hosts
        self.nodes = [RabbitNode(folder / host.name, host=host) for host in hosts]
        cookie = secrets.token_hex(16).upper()
        for node in self.nodes:
            node.join([each.name for each in self.nodes], cookie)

    @property
    def url(self) -> str:
        """All of them."""
        return ",".join(node.url for node in self.nodes)

    async def start(self) -> None:
        """Start all at once: they wait for each other."""
        await asyncio.gather(*(asyncio.to_thread(node.start) for node in self.nodes))

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    async def led(self, namespace: str) -> Counter[int]:
        """How many queues of a deployment each node leads, by its number."""
        return Counter(
            {
                number: sum(each["leader"] == node.name for each in await self._queues(namespace))
                for number, node in enumerate(self.nodes)
            }
        )

    async def whole(self, namespace: str) -> None:
        """Wait until every queue of a deployment has all its members.

        Raises:
            CannotBeHad: it does not come to that.
        """
        deadline = monotonic() + _WHOLE_WITHIN
        while True:
            queues = await self._queues(namespace)
            if queues and all(len(each["online"]) == len(self.nodes) for each in queues):
                return
            if monotonic() > deadline:
                raise CannotBeHad(f"the cluster did not become whole: {queues}")
            await asyncio.sleep(_LOOKS_EVERY)

    async def _queues(self, namespace: str) -> list[dict[str, Any]]:
        running = next(node for node in self.nodes if node.running)
        found = await asyncio.to_thread(running.queues)
        return [each for each in found if str(each["name"]).startswith(f"{namespace}.")]


@contextmanager
def cluster(folder: Path) -> Iterator[RabbitCluster]:
    """Three nodes that are still to be started; they and their network are gone afterwards.

    Raises:
        CannotBeHad: there can be no network, or no RabbitMQ.
    """
    with network(_NAMES) as hosts:
        made = RabbitCluster(folder, hosts)
        try:
            yield made
        finally:
            made.kill()
