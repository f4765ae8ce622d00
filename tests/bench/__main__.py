"""``make bench``: approval cycles per second, latency to the handler's entry, and what a cycle costs.

A cycle: a start with 200 bytes of input is durable; the handler runs a step and pauses; the decision is sent over HTTP;
the handler is entered again, and its end is seen. Everything runs on this machine. Prints a table, and writes JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import uvloop

from bench.driver import Driver
from bench.figures import idle, loads, machine
from bench.http import client
from bench.peers.placet import Placet
from bench.processes import end_in_order
from bench.stacks import Stack, embedded, on_rabbitmq
from kit.servers import Servers, servers


async def bench(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    end_in_order()
    kinds: dict[str, AbstractAsyncContextManager[Stack]] = {
        "rabbitmq": on_rabbitmq(found),
        "embedded": embedded(found, folder),
    }
    results: dict[str, Any] = {"machine": await machine(found.postgres)}
    for kind in arguments.only or kinds:
        async with kinds[kind] as stack, client(stack.url, {"Authorization": f"Bearer {stack.key}"}) as http:
            driver = Driver(Placet(), http)
            results[kind] = {
                **await idle(driver, arguments.idle),
                "load": await loads(
                    driver,
                    stack.database_url,
                    in_flight=arguments.in_flight,
                    seconds=arguments.seconds,
                    rounds=arguments.rounds,
                ),
            }
    return results


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
