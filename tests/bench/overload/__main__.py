"""``make overload``: ten times the starts that can be sustained, for a minute, on real processes on this machine.

Meanwhile somebody reads and decides, and memory is sampled. Afterwards: how long until cycles are quick again, and
whether every start that was acknowledged is there. Prints a table, writes JSON; exits with 1 if a bound is broken.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import uvloop

from bench.driver import Cycles, Driver, call, percentile
from bench.figures import machine
from bench.http import Client, client
from bench.measure import memory
from bench.peers.placet import Placet
from bench.processes import end_in_order
from bench.stacks import Stack, on_rabbitmq
from kit.servers import Servers, servers

_TESTS = Path(__file__).parents[2]
_SERVICES = ("approval", "executor", "notifier")
_MB = 1024 * 1024
_QUICK = 1.0  # seconds, of each part of a cycle

BOUNDS = {
    "memory": "no service takes more than 256 MB over what it had before",
    "shed": "starts were refused, with 503 alone",
    "deciding": "decisions took less than a second (p99)",
    "recovery": "cycles were quick again within 30 s",
    "lost": "every start that was acknowledged is known to both services",
}


@dataclass
class Seen:
    """What was seen while the flood went on."""

    deciding: list[float] = field(default_factory=list)  # seconds
    reading: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)  # bytes at the highest


async def decide(http: Client, seen: Seen, until: asyncio.Event, pause: float) -> None:
    """Approve what waits, the newest first, at a leisurely pace."""
    while not until.is_set():
        began = monotonic()
        page = await call(http, "GET", "/v1/approvals?status=pending&limit=20")
        seen.reading.append(monotonic() - began)
        for approval in page["items"]:
            began = monotonic()
            await call(http, "POST", f"/v1/approvals/{approval['id']}/decisions", {"decision": "approve"})
            seen.deciding.append(monotonic() - began)
            await asyncio.sleep(pause)
        await asyncio.sleep(pause)


async def watch(seen: Seen, until: asyncio.Event) -> None:
    """Keep the highest memory of each service."""
    while not until.is_set():
        for name, used in memory().items():
            seen.memory[name] = max(seen.memory.get(name, 0), used)
        await asyncio.sleep(1)


async def recovered(http: Client, within: float) -> float:
    """Seconds until three cycles in a row were quick."""
    began, row = monotonic(), 0
    while row < 3 and monotonic() - began < within:
        try:
            async with asyncio.timeout(3 * _QUICK):
                await Placet().cycle(http, Cycles())
            row += 1
        except (RuntimeError, TimeoutError):
            row = 0
            await asyncio.sleep(0.2)
    return monotonic() - began


async def missing(database_url: str, ledger: Path) -> dict[str, int]:
    """How many of the acknowledged starts a service does not know, though it had a while."""
    ids = ledger.read_text().split()
    conn = await asyncpg.connect(database_url)
    try:
        found: dict[str, int] = {}
        for service in ("approval", "executor"):
            for _ in range(60):
                known = await conn.fetchval(f"SELECT count(*) FROM {service}.runs WHERE id = ANY ($1)", ids)
                found[service] = len(ids) - known
                if not found[service]:
                    break
                await asyncio.sleep(1)
        return found
    finally:
        await conn.close()


async def overload(found: Servers, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, and which bounds hold."""
    end_in_order()
    with tempfile.TemporaryDirectory() as folder:
        async with on_rabbitmq(found) as stack, client(stack.url, {"Authorization": f"Bearer {stack.key}"}) as http:
            driver = Driver(Placet(), http)
            await driver.run(in_flight=64, seconds=arguments.warm_up)
            sustained = await driver.run(in_flight=64, seconds=arguments.warm_up)
            rate = arguments.times * sustained.ended / sustained.seconds
            before = memory()
            seen, over = Seen(), asyncio.Event()
            ledger = Path(folder) / "acknowledged"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(decide(http, seen, over, 0.05))
                tasks.create_task(watch(seen, over))
                flooded = await flood(stack, rate, arguments, ledger)
                over.set()
            recovery = await recovered(http, 60)
            lost = await missing(stack.database_url, ledger)
    growth = {name: seen.memory[name] - before.get(name, 0) for name in _SERVICES}
    answers: Mapping[str, int] = flooded["answers"]
    return {
        "machine": await machine(found.postgres),
        "sustained_cycles_per_second": sustained.ended / sustained.seconds,
        "flood": flooded,
        "deciding_ms": _spread(seen.deciding),
        "reading_ms": _spread(seen.reading),
        "memory_mb": {name: {"before": before[name] / _MB, "highest": seen.memory[name] / _MB} for name in _SERVICES},
        "recovery_seconds": recovery,
        "lost": lost,
        "holds": {
            "memory": all(grown < 256 * _MB for grown in growth.values()),
            "shed": answers.get("503", 0) > 0 and answers.keys() <= {"202", "503"},
            "deciding": len(seen.deciding) > 20 and percentile(seen.deciding, 0.99) < _QUICK,
            "recovery": recovery < 30,
            "lost": answers.get("202", 0) > 0 and not any(lost.values()),
        },
    }


async def flood(stack: Stack, rate: float, arguments: argparse.Namespace, ledger: Path) -> dict[str, Any]:
    """The crowd, in a process of its own."""
    command = [stack.url, stack.key, rate, arguments.seconds, arguments.crowd, ledger]
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.overload.flood",
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
    )
    try:
        said, _ = await running.communicate()
    except BaseException:
        running.kill()
        raise
    figures: dict[str, Any] = json.loads(said)
    return figures


def _spread(seconds: list[float]) -> dict[str, float]:
    values = [1000 * value for value in seconds or [0.0]]
    return {"count": len(seconds), "p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "max": max(values)}


def show(results: dict[str, Any]) -> None:
    """The figures as a table."""
    flooded, answers = results["flood"], results["flood"]["answers"]
    print(f"\n{results['machine']}\n")
    print(f"sustained            {results['sustained_cycles_per_second']:8.0f} cycles/s")
    print(f"starts sent          {flooded['sent_per_second']:8.0f} /s, answered {answers}")
    took = flooded["acknowledged_ms"]
    print(f"start acknowledged   p50 {took['p50']:.0f} ms, p99 {took['p99']:.0f} ms")
    for name in ("deciding", "reading"):
        figures = results[f"{name}_ms"]
        print(
            f"{name:20} p50 {figures['p50']:.0f} ms, p99 {figures['p99']:.0f} ms, max {figures['max']:.0f} ms "
            f"({figures['count']})"
        )
    for name, figures in results["memory_mb"].items():
        print(f"memory of {name:10} {figures['before']:8.0f} MB before, {figures['highest']:.0f} MB at the highest")
    print(f"recovery             {results['recovery_seconds']:8.1f} s")
    print(f"lost                 {results['lost']}\n")
    for name, holds in results["holds"].items():
        print(f"{'ok    ' if holds else 'BROKEN'}  {BOUNDS[name]}")


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="make overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--times", type=float, default=10, help="the rate of starts, in sustained rates")
    parser.add_argument("--crowd", type=int, default=2000, help="connections")
    parser.add_argument("--warm-up", type=float, default=8, help="seconds")
    parser.add_argument("--out", type=Path, default=Path("build/overload.json"))
    arguments = parser.parse_args()
    os.environ.setdefault("PLACET_TEST_VIA", "local")
    with servers() as found:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(overload(found, arguments))
    show(results)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(f"\nwritten to {arguments.out}", file=sys.stderr)
    return 0 if all(results["holds"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
