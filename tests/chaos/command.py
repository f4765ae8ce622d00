"""What the commands share: a seed, a run, and where its report and logs go."""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from chaos.run import Options, run
from chaos.table import table
from kit.local import folder
from kit.outcome import CannotBeHad

_BESIDE_FAULTS = 75.0  # seconds: boot, baseline, healing, checks
_LEAST = 30.0


def play(name: str, described: str | None, minutes: float, options: Callable[[int, Path, float], Options]) -> int:
    """Parse, run, print. ``options`` gets a seed, a folder, and the seconds that there are for faults."""
    parser = argparse.ArgumentParser(prog=f"make {name}", description=described)
    parser.add_argument("--minutes", type=float, default=minutes, help="of the whole run")
    parser.add_argument("--seed", type=int, help="of a run that is to be played again")
    parser.add_argument("--out", type=Path, default=Path("build") / name)
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    print(f"{name}: seed {seed}", file=sys.stderr, flush=True)
    out: Path = arguments.out / str(seed)
    out.mkdir(parents=True, exist_ok=True)
    with folder() as work, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            report = runner.run(run(options(seed, work, max(_LEAST, arguments.minutes * 60 - _BESIDE_FAULTS))))
        except CannotBeHad as error:
            sys.exit(f"{name}: {error}")
        finally:
            for log in (*work.glob("*.log"), work / "ledger"):
                if log.exists():
                    shutil.copy(log, out)
    (out / "report.json").write_text(json.dumps(report.json, indent=2, default=str) + "\n", "utf-8")
    (out / "report.txt").write_text(table(report), "utf-8")
    print(table(report))
    print(f"{name}: seed {seed}, report and logs in {os.path.relpath(out)}", file=sys.stderr)
    return 1 if report.failures else 0
