"""How fast reads are answered while as much is written as there can be, and while nothing is."""

import argparse
import asyncio
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from bench.driver import Driver, percentile
from bench.http import Client
from bench.peers.placet import Placet
from bench.scale import plot as svg
from bench.scale.seed import seed
from bench.scale.systems import running
from kit.servers import Servers

_IN_FLIGHT = 64
_PENDING = 200  # approvals beside those of the cycles, so that pages are full
_EVERY = 0.02  # seconds between reads


async def measure(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Each stack, idle and busy."""
    results = {}
    for kind in arguments.stacks:
        async with running(kind, found, folder) as (stack, http):
            driver = Driver(Placet(), http)
            await Placet().pause(http)
            [*_, (_, approval_id)] = await seed(stack.database_url, _PENDING)
            await driver.run(in_flight=_IN_FLIGHT, seconds=3)
            paths = {
                "pending approvals": "/v1/approvals?status=pending&limit=50",
                "runs": "/v1/runs?limit=50",
                "one approval": f"/v1/approvals/{approval_id}",
            }
            idle = await _read(http, paths, arguments.seconds / 2)
            reading = asyncio.create_task(_read(http, paths, arguments.seconds))
            cycles = await driver.run(in_flight=_IN_FLIGHT, seconds=arguments.seconds)
            results[kind] = {
                "idle": idle,
                "busy": await reading,
                "cycles_per_second": cycles.ended / cycles.seconds,
                "reads_per_second": 1 / _EVERY,
            }
    return results


def plot(result: dict[str, Any]) -> str:
    """Both, side by side."""
    groups = {
        f"{name}, {share} ({kind})": {"idle": figures["idle"][name][share], "64 cycles": figures["busy"][name][share]}
        for kind, figures in result.items()
        for name in figures["idle"]
        for share in ("p50", "p99")
    }
    return svg.bars("Reads while nothing is written, and under full load", "ms", groups)


async def _read(http: Client, paths: dict[str, str], seconds: float) -> dict[str, dict[str, float]]:
    """Reads in turn, each at its time, whatever has become of the one before; milliseconds from when it was due."""
    took: dict[str, list[float]] = {name: [] for name in paths}
    began = monotonic()

    async def one(name: str, due: float) -> None:
        status, body = await http.request("GET", paths[name])
        took[name].append(1000 * (monotonic() - due))
        if status != 200:
            raise RuntimeError(f"GET {paths[name]}: {status} {body[:200]!r}")

    async with asyncio.TaskGroup() as reads:
        for n in count():
            due = began + n * _EVERY
            if due > began + seconds:
                break
            await asyncio.sleep(max(0.0, due - monotonic()))
            reads.create_task(one(list(paths)[n % len(paths)], due))
    return {name: {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99)} for name, values in took.items()}
