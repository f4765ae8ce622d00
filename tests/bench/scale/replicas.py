"""More executors and more approval services, on one Postgres and one broker."""

import argparse
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.driver import Cycles, Driver
from bench.figures import loads
from bench.http import Client, client
from bench.peers.placet import Placet
from bench.scale import plot as svg
from bench.stacks import Stack, on_rabbitmq
from kit.servers import Servers

_SIZES = ((1, 1), (1, 2), (2, 1), (2, 2))  # approvals, executors
_IN_FLIGHT = [64, 256]


async def measure(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Each size of deployment."""
    results = {}
    for approvals, executors in _SIZES:
        async with on_rabbitmq(found, approvals=approvals, executors=executors) as stack, _balanced(stack) as peer:
            results[f"{approvals} approval, {executors} executor"] = await loads(
                Driver(peer, peer.first),
                stack.database_url,
                in_flight=_IN_FLIGHT,
                seconds=arguments.seconds / 5,
                rounds=3,
            )
    return results


def plot(result: dict[str, Any]) -> str:
    """Throughput by size."""
    groups = {
        name: {f"{load['in_flight']} in flight": load["cycles_per_second"] for load in figures}
        for name, figures in result.items()
    }
    return svg.bars("Replicas on a machine with 2 cores", "cycles per second", groups)


class _Balanced(Placet):
    """Cycles that go to one approval service after the other, as through a load balancer that keeps connections."""

    def __init__(self, clients: list[Client]) -> None:
        self.first = clients[0]
        self._clients = cycle(clients)

    async def cycle(self, client: Client, seen: Cycles) -> None:
        await super().cycle(next(self._clients), seen)


@asynccontextmanager
async def _balanced(stack: Stack) -> AsyncIterator[_Balanced]:
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with AsyncExitStack() as clients:
        yield _Balanced(
            [await clients.enter_async_context(client(url, headers)) for url in (stack.url, *stack.replicas)]
        )
