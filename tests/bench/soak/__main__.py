"""``make soak HOURS=``: a steady load on real processes, with everything deleted soon after its end, and what grows.

Memory, descriptors, tables, indexes and dead rows are sampled. Once things have settled, a line is laid through each
series: what must be flat and is not breaks the soak. A short one vacuums by itself, a long one leaves that to the
server. Prints a table, writes JSON; exits with 1 if something grows, if a cycle went wrong, or if too few went through.
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

import aio_pika
import asyncpg
import uvloop

from bench.driver import call
from bench.figures import machine
from bench.http import Client, client
from bench.processes import end_in_order
from bench.soak.samples import is_judged, least, sample
from bench.soak.slopes import Slope, slope
from bench.stacks import on_rabbitmq
from kit.servers import Servers, servers

APP = "bench.soak.workflows:app"
_SETTLED_AFTER = 180.0  # seconds: a retention, its grace, and a few rounds of vacuum
_SHARE_TO_SETTLE = 0.5  # of a long run
_SHORT = 1800.0  # seconds: in less, autovacuum comes round too seldom to be waited for
_VACUUM_EVERY = 20.0
_SAMPLES = 300
_ENVIRONMENT = {
    "PLACET_LOG_LEVEL": "error",
    "PLACET_RETENTION_RUNS": "15",
    "PLACET_RETENTION_DELIVERIES": "15",
    "PLACET_RETENTION_QUARANTINE": "15",
    "PLACET_RETENTION_EVERY": "5",
}


class Load:
    """Cycles that begin at a rate, whatever has become of those before."""

    def __init__(self, http: Client, rate: float) -> None:
        self._http = http
        self._rate = rate
        self.due = 0
        self.ended = 0
        self.wrong: list[str] = []

    async def run(self, seconds: float) -> None:
        began = monotonic()
        async with asyncio.TaskGroup() as cycles:
            while (moment := self.due / self._rate) < seconds:
                if (wait := began + moment - monotonic()) > 0:
                    await asyncio.sleep(wait)
                self.due += 1
                cycles.create_task(self._cycle(self.due))

    async def _cycle(self, n: int) -> None:
        try:
            start = {"workflow": "soak", "runId": f"soak-{n:09}", "input": {"n": n}}
            paused = await call(self._http, "POST", "/v1/runs?wait=30&until=paused", start)
            path = f"/v1/approvals/{paused['approvals'][0]['id']}"
            decision = "reject" if n % 10 == 1 else "approve"
            await call(self._http, "POST", f"{path}/decisions", {"decision": decision})
            run = await call(self._http, "GET", f"/v1/runs/{paused['id']}?wait=30")
            expected = "rejected" if n % 10 == 1 else "failed" if n % 50 == 0 else "completed"
            if run["status"] != expected:
                self.wrong.append(f"{run['id']} is {run['status']}, and not {expected}")
        except Exception as error:
            self.wrong.append(repr(error))
        self.ended += 1


async def send_rubbish(amqp_url: str, namespace: str, seconds: float) -> None:
    """Five messages a second that end in quarantine."""
    async with await aio_pika.connect(amqp_url) as connection:
        exchange = await (await connection.channel()).get_exchange(namespace, ensure=False)
        for n in range(int(5 * seconds)):
            await exchange.publish(aio_pika.Message(b"rubbish %d" % n), routing_key="workflow.start.v1")
            await asyncio.sleep(0.2)


async def vacuum(database_url: str) -> None:
    """What autovacuum does, on time, for ever."""
    conn = await asyncpg.connect(database_url)
    try:
        while True:
            await asyncio.sleep(_VACUUM_EVERY)
            await conn.execute("VACUUM (ANALYZE)")
    finally:
        conn.terminate()


async def soak(found: Servers, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, and what is broken."""
    end_in_order()
    os.environ.update(_ENVIRONMENT)
    seconds = 3600 * arguments.hours
    every = max(1.0, seconds / _SAMPLES)
    samples: list[tuple[float, dict[str, float]]] = []
    async with (
        on_rabbitmq(found, app=APP) as stack,
        client(stack.url, {"Authorization": f"Bearer {stack.key}"}) as http,
    ):
        conn = await asyncpg.connect(stack.database_url)
        began = monotonic()
        load = Load(http, arguments.rate)
        tasks = [
            asyncio.create_task(load.run(seconds)),
            asyncio.create_task(send_rubbish(found.rabbitmq, stack.namespace, seconds)),
        ]
        try:
            if seconds < _SHORT:
                tasks.append(asyncio.create_task(vacuum(stack.database_url)))
            while monotonic() - began < seconds:
                samples.append((monotonic() - began, await sample(conn)))
                await asyncio.sleep(every)
            await asyncio.gather(*tasks[:2])
        finally:
            for task in tasks:
                task.cancel()
            await conn.close()
    settled = max(_SETTLED_AFTER, _SHARE_TO_SETTLE * seconds)
    slopes = _slopes([each for each in samples if each[0] >= settled])
    grows = sorted(name for name, line in slopes.items() if line.grows(least(name)) and is_judged(name))
    return {
        "machine": await machine(found.postgres),
        "seconds": seconds,
        "settled_after": settled,
        "cycles": {"due": load.due, "ended": load.ended, "wrong": load.wrong[:10], "wrongs": len(load.wrong)},
        "slopes": {name: {**asdict(line), "judged": is_judged(name)} for name, line in slopes.items()},
        "broken": [
            *(f"{name} grows" for name in grows),
            *([f"{len(load.wrong)} cycles went wrong"] if load.wrong else []),
            *(["too few cycles ended"] if load.ended < 0.9 * arguments.rate * seconds else []),
            *(["no sample after things had settled: take more HOURS"] if not slopes else []),
        ],
        "samples": [{"at": at, **values} for at, values in samples],
    }


def _slopes(samples: list[tuple[float, dict[str, float]]]) -> dict[str, Slope]:
    names = sorted(set.intersection(*(set(values) for _, values in samples))) if len(samples) > 10 else []
    return {name: slope([(at, values[name]) for at, values in samples]) for name in names}


def show(results: dict[str, Any]) -> None:
    """The slopes as a table, the steepest first."""
    print(f"\n{results['machine']}\n")
    cycles = results["cycles"]
    print(f"{results['seconds']:.0f} s, {cycles['ended']} cycles of {cycles['due']}, {cycles['wrongs']} went wrong")
    print(f"measured from {results['settled_after']:.0f} s on\n")
    print(f"{'':45} {'level':>12} {'per hour':>12} {'growth':>8}  sure")
    for name, line in sorted(results["slopes"].items(), key=lambda item: -item[1]["growth"]):
        note = "" if line["judged"] else "  not judged"
        print(
            f"{name:45} {line['level']:12,.0f} {line['per_hour']:+12,.0f} {line['growth']:+8.1%} "
            f"{line['certainty']:5.1f}{note}"
        )
    print()
    for broken in results["broken"] or ["nothing grows that must not"]:
        print(f"{'BROKEN' if results['broken'] else 'ok    '}  {broken}")


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--rate", type=float, default=40, help="cycles a second")
    parser.add_argument("--out", type=Path, default=Path("build/soak.json"))
    arguments = parser.parse_args()
    os.environ.setdefault("PLACET_TEST_VIA", "local")
    with servers() as found:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(soak(found, arguments))
    show(results)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(f"\nwritten to {arguments.out}", file=sys.stderr)
    return 1 if results["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
