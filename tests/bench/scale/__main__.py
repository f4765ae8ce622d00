"""``make bench-scale``: Placet with very many paused runs, under rising load, with long runs, replicas, and readers.

Each of these is measured by itself. Writes JSON, where figures of what is not measured this time stay, and a plot each.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from bench.figures import machine
from bench.processes import end_in_order
from bench.scale import load, long, paused, reads, replicas
from bench.scale.systems import KINDS
from kit.servers import Servers, servers

Measure = Callable[[Servers, Path, argparse.Namespace], Awaitable[dict[str, Any]]]
Plot = Callable[[dict[str, Any]], str]

PARTS: dict[str, tuple[Measure, Plot]] = {
    "paused": (paused.measure, paused.plot),
    "load": (load.measure, load.plot),
    "long": (long.measure, long.plot),
    "replicas": (replicas.measure, replicas.plot),
    "reads": (reads.measure, reads.plot),
}


async def scale(found: Servers, folder: Path, arguments: argparse.Namespace) -> None:
    """Measure, and write each part as it is done."""
    end_in_order()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.images.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or PARTS:
        measure, plot = PARTS[name]
        result = await measure(found, folder, arguments)
        print(json.dumps({name: result}, indent=2))
        known = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
        known |= {"machine": await machine(found.postgres), name: result}
        arguments.out.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        (arguments.images / f"scale-{name}.svg").write_text(plot(result), "utf-8")


def main() -> None:
    """Parse, run."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument("--stacks", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--paused", type=int, default=1_000_000, help="paused runs")
    parser.add_argument("--slice", type=int, default=20_000, help="paused runs that are resolved")
    parser.add_argument("--seconds", type=float, default=20, help="for each load")
    parser.add_argument("--out", type=Path, default=Path("build/bench-scale.json"))
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    os.environ.setdefault("PLACET_TEST_VIA", "local")
    with servers() as found, tempfile.TemporaryDirectory() as folder:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scale(found, Path(folder), arguments))
    print(f"written to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
