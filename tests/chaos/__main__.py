"""``make chaos``: faults of every kind against real processes, and what must hold all the same.

The seed decides what is started, decided and broken, and when; how processes interleave is the machine's. ``SEED=``
plays it again.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import uvloop

from chaos.run import Options, run
from chaos.table import table
from kit.local import folder
from kit.outcome import CannotBeHad

_BESIDE_FAULTS = 75.0  # seconds: boot, baseline, healing, checks


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="of the whole run")
    parser.add_argument("--seed", type=int, help="of a run that is to be played again")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"))
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    print(f"chaos: seed {seed}", file=sys.stderr, flush=True)
    out: Path = arguments.out / str(seed)
    out.mkdir(parents=True, exist_ok=True)
    with folder() as work, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        options = Options(seed, work, faults=max(30.0, arguments.minutes * 60 - _BESIDE_FAULTS))
        try:
            report = runner.run(run(options))
        except CannotBeHad as error:
            sys.exit(f"chaos: {error}")
        finally:
            for log in (*work.glob("*.log"), work / "ledger"):
                if log.exists():
                    shutil.copy(log, out)
    (out / "report.json").write_text(json.dumps(report.json, indent=2, default=str) + "\n", "utf-8")
    print(table(report))
    print(f"chaos: seed {seed}, report and logs in {os.path.relpath(out)}", file=sys.stderr)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
