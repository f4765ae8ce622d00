"""``make bench-peers``: the approval cycle on Placet, Restate and DBOS, in one run on one machine.

A cycle: a start with 200 bytes of input is durable; the handler runs a durable step and waits at its gate; the approval
is sent over HTTP; the handler goes on, and its end is seen. Prints tables, and writes JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import uvloop

from bench.driver import Driver
from bench.figures import idle, loads, machine
from bench.http import Client, client
from bench.measure import memory
from bench.peers import dbos, placet, restate
from bench.peers.deployment import Deployment
from bench.peers.environments import Missing
from bench.peers.table import tables
from bench.processes import end_in_order
from bench.stacks import embedded, on_rabbitmq
from kit.servers import CannotBeHad, Servers, servers

Products = dict[str, Callable[[Servers, Path], AbstractAsyncContextManager[Deployment]]]

PRODUCTS: Products = {
    "placet-rabbitmq": lambda found, folder: placet.running(on_rabbitmq(found)),
    "placet-embedded": lambda found, folder: placet.running(embedded(found, folder)),
    "restate": lambda found, folder: restate.running(folder),
    "restate-4": lambda found, folder: restate.running(folder, partitions=4),
    "dbos": lambda found, folder: dbos.running(found.postgres),
}


def install(names: list[str]) -> None:
    """What products run on, before the first is measured.

    Raises:
        Missing: something cannot be had.
    """
    if {"restate", "restate-4"} & set(names):
        restate.install()
    if "dbos" in names:
        dbos.install()


async def compare(found: Servers, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, one product after the other."""
    end_in_order()
    products: dict[str, Any] = {}
    for name in arguments.only:
        with tempfile.TemporaryDirectory(prefix="placet-bench-", ignore_cleanup_errors=True) as folder:
            async with PRODUCTS[name](found, Path(folder)) as deployment:
                print(f"measuring {name}", file=sys.stderr)
                products[name] = await figures(deployment, arguments)
    return {"machine": await machine(found.postgres), "command": sys.argv[1:], "products": products}


async def figures(deployment: Deployment, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one product."""
    async with client(deployment.url, deployment.headers) as http:
        driver = Driver(deployment.peer, http)
        measured = {
            "facts": dict(deployment.facts),
            **await idle(driver, arguments.idle),
            "load": await loads(
                driver,
                deployment.database_url,
                in_flight=arguments.in_flight,
                seconds=arguments.seconds,
                rounds=arguments.rounds,
            ),
        }
        if arguments.paused:
            await deployment.before_pausing()
            measured["kilobytes_per_paused_run"] = await paused(deployment, http, arguments.paused)
        return measured


async def paused(deployment: Deployment, http: Client, runs: int) -> dict[str, float]:
    """By how much memory grows for each run that waits at its gate, by kind of process; some seconds into the pause."""
    before = memory()
    left = runs

    async def lane() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await deployment.peer.pause(http)

    await asyncio.gather(*(lane() for _ in range(64)))
    await asyncio.sleep(5)
    return {kind: (used - before.get(kind, 0)) / runs / 1024 for kind, used in memory().items()}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PRODUCTS), default=list(PRODUCTS))
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=200, help="cycles, one at a time, for the latency")
    parser.add_argument("--paused", type=int, default=5000, help="runs that wait, for the memory of one; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("build/bench-peers.json"))
    arguments = parser.parse_args()
    os.environ.setdefault("PLACET_TEST_VIA", "local")
    try:
        install(arguments.only)
        with servers() as found, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(compare(found, arguments))
    except (Missing, CannotBeHad) as error:
        sys.exit(f"bench-peers: {error}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(tables(results))
    print(f"\nwritten to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
