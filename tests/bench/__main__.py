"""``make bench``: approval cycles per second, latency to the handler's entry, and what a cycle costs.

A cycle: a start with 200 bytes of input is durable; the handler runs a step and pauses; the decision is sent over HTTP;
the handler is entered again, and its end is seen. Everything runs on this machine. Prints a table, and writes JSON.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.driver import Driver, percentile
from bench.http import client
from bench.measure import usage
from bench.peers.placet import Placet
from bench.stacks import Stack, embedded, on_rabbitmq
from kit.servers import Servers, servers


async def measure(driver: Driver, database_url: str, *, in_flight: int, seconds: float, rounds: int) -> dict[str, Any]:
    """The median of some rounds at one load."""
    await driver.run(in_flight=in_flight, seconds=seconds / 2)
    found = []
    for _ in range(rounds):
        before = await usage(database_url)
        cycles = await driver.run(in_flight=in_flight, seconds=seconds)
        used = (await usage(database_url)).since(before)
        found.append(
            {
                "cycles_per_second": cycles.ended / cycles.seconds,
                "cpu_ms_per_cycle": {name: 1000 * cpu / cycles.ended for name, cpu in used.cpu.items()},
                "commits_per_cycle": used.commits / cycles.ended,
                "wal_bytes_per_cycle": used.wal / cycles.ended,
            }
        )
    middle = sorted(found, key=lambda each: float(each["cycles_per_second"]))[len(found) // 2]  # type: ignore[arg-type]
    return {"in_flight": in_flight, **middle}


async def idle(driver: Driver, cycles: int) -> dict[str, dict[str, float]]:
    """Latency from sending a start, or a decision, to the handler's entry, one cycle at a time; milliseconds."""
    await driver.run(in_flight=1, cycles=20)
    seen = await driver.run(in_flight=1, cycles=cycles)
    return {
        f"{name}_to_entry_ms": {
            "p50": percentile(values, 0.5),
            "p99": percentile(values, 0.99),
            "mean": sum(values) / len(values),
        }
        for name, values in (("start", seen.start_to_entry), ("approve", seen.approve_to_entry))
    }


async def bench(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    kinds: dict[str, AbstractAsyncContextManager[Stack]] = {
        "rabbitmq": on_rabbitmq(found),
        "embedded": embedded(found, folder),
    }
    results: dict[str, Any] = {"machine": await machine(found)}
    for kind in arguments.only or kinds:
        async with kinds[kind] as stack, client(stack.url, {"Authorization": f"Bearer {stack.key}"}) as http:
            driver = Driver(Placet(), http)
            results[kind] = {
                **await idle(driver, arguments.idle),
                "load": [
                    await measure(
                        driver, stack.database_url, in_flight=load, seconds=arguments.seconds, rounds=arguments.rounds
                    )
                    for load in arguments.in_flight
                ],
            }
    return results


async def machine(found: Servers) -> dict[str, Any]:
    """Where this ran."""
    conn = await asyncpg.connect(found.postgres)
    postgres = await conn.fetchval("SHOW server_version")
    durable = {name: await conn.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")}
    await conn.close()
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "postgres": postgres,
        **durable,
    }


def show(results: dict[str, Any]) -> None:
    """The figures as a table."""
    print(f"\n{results['machine']}\n")
    print(
        f"{'':10} {'in flight':>9} {'cycles/s':>9} {'CPU ms':>7} {'commits':>8} {'WAL KB':>7}   "
        "start → entered   approve → entered"
    )
    for kind in results.keys() - {"machine"}:
        start, approve = (results[kind][f"{name}_to_entry_ms"] for name in ("start", "approve"))
        for load in results[kind]["load"]:
            cpu = load["cpu_ms_per_cycle"]
            print(
                f"{kind:10} {load['in_flight']:9} {load['cycles_per_second']:9.0f} {sum(cpu.values()):7.2f} "
                f"{load['commits_per_cycle']:8.2f} {load['wal_bytes_per_cycle'] / 1024:7.1f}   "
                f"p50 {start['p50']:5.1f} ms      p50 {approve['p50']:.1f} ms, p99 {approve['p99']:.1f} ms"
            )
            print(f"{'':10} CPU ms: " + ", ".join(f"{name} {ms:.2f}" for name, ms in sorted(cpu.items())))


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=200, help="cycles, one at a time, for the latency")
    parser.add_argument("--only", nargs="+", choices=["rabbitmq", "embedded"])
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args()
    os.environ.setdefault("PLACET_TEST_VIA", "local")
    with servers() as found, tempfile.TemporaryDirectory() as folder:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(bench(found, Path(folder), arguments))
    show(results)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(f"\nwritten to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
