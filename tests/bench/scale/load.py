"""Latency and cost as the load rises, with nobody waiting for anybody.

Cycles begin at times that were drawn beforehand, whatever has become of those before; each one's latency counts from
when it was due. So a system that stalls is charged with all that should have happened meanwhile.
"""

import argparse
import asyncio
import random
from pathlib import Path
from time import monotonic
from typing import Any

from bench.driver import Cycles, Driver, percentile
from bench.http import Client
from bench.measure import usage
from bench.peers.placet import Placet
from bench.scale import plot as svg
from bench.scale.systems import running
from kit.servers import Servers

_IN_FLIGHT = 256
_SHARES = (0.2, 0.5, 0.8)
_PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


async def measure(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Each stack at shares of what it can do."""
    results = {}
    for kind in arguments.stacks:
        async with running(kind, found, folder) as (stack, http):
            driver = Driver(Placet(), http)
            await driver.run(in_flight=_IN_FLIGHT, seconds=3)
            before = await usage(stack.database_url)
            most = await driver.run(in_flight=_IN_FLIGHT, seconds=8)
            used = (await usage(stack.database_url)).since(before)
            highest = most.ended / most.seconds
            results[kind] = {
                "highest": {"cycles_per_second": highest, "cpu_ms_per_cycle": _each(used.cpu, most.ended)},
                "loads": [
                    {"share": share, **await _at(http, stack.database_url, share * highest, arguments.seconds)}
                    for share in _SHARES
                ],
            }
    return results


def plot(result: dict[str, Any]) -> str:
    """Latency over load."""
    series = {
        f"{kind}, {name}": [(load["cycles_per_second"], load["cycle_ms"][name]) for load in figures["loads"]]
        for kind, figures in result.items()
        for name in _PERCENTILES
    }
    return svg.lines("Latency of a cycle under open load", "cycles per second", "ms", series, logarithmic=True)


async def _at(http: Client, database_url: str, rate: float, seconds: float) -> dict[str, Any]:
    """One load: Poisson arrivals, the same in every run of the benchmark."""
    dice = random.Random(7)
    due, at = [], dice.expovariate(rate)
    while at < seconds:
        due.append(at)
        at += dice.expovariate(rate)
    seen, took = Cycles(), list[float]()
    before, began = await usage(database_url), monotonic()

    async def one(moment: float) -> None:
        await Placet().cycle(http, seen)
        took.append(1000 * (monotonic() - began - moment))

    async with asyncio.TaskGroup() as cycles:
        for moment in due:
            if (wait := began + moment - monotonic()) > 0:
                await asyncio.sleep(wait)
            cycles.create_task(one(moment))
    used = (await usage(database_url)).since(before)
    return {
        "cycles": len(due),
        "cycles_per_second": len(due) / seconds,
        "cycle_ms": _spread(took),
        "approve_to_entry_ms": _spread(seen.approve_to_entry),
        "cpu_ms_per_cycle": _each(used.cpu, len(due)),
        "commits_per_cycle": used.commits / len(due),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {name: percentile(values, share) for name, share in _PERCENTILES.items()}


def _each(cpu: dict[str, float], cycles: int) -> dict[str, float]:
    return {kind: 1000 * seconds / cycles for kind, seconds in cpu.items()}
