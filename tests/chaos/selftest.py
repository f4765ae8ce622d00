"""``make chaos-selftest``: the checks are checked. Services with a bug run under faults, and each bug must be found."""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from chaos.faults import KINDS
from chaos.planted import BUGS
from chaos.report import Report
from chaos.run import Options, run
from chaos.table import table
from kit.local import folder

_SECONDS = 45.0  # of faults
_LONGER = 120.0  # where it takes some luck: a pass that was stopped must end while another goes on with its run


@dataclass(frozen=True, slots=True)
class Bug:
    """The kinds of fault that bring a bug to light, and the invariants by which it may be found."""

    kinds: tuple[str, ...]
    found_by: frozenset[str]
    targets: tuple[str, ...] = ()  # all, if none is named
    seconds: float = _SECONDS


# What a lost message brings with it: a start without a run, a run without an end, a view that differs.
_LOST = frozenset({"I1", "I7", "I9", "I10", "I12"})

EXPECTED: Mapping[str, Bug] = {
    "ack-before-commit": Bug(("kill", "postgres", "failpoint"), _LOST),
    "no-outbox": Bug(("kill", "broker"), _LOST),
    "read-then-write": Bug(("kill",), frozenset({"I3", "I4", "I18"})),
    "no-fence": Bug(("stop",), frozenset({"I8"}), ("executor-0", "executor-1"), _LONGER),
    "no-reconciler": Bug(("kill", "stop"), frozenset({"I7"})),
}


def caught(report: Report, bug: Bug) -> list[str]:
    """The invariants that a bug has broken, of those by which it may be found."""
    return [each.id for each in report.invariants if each.wrong and each.id in bug.found_by]


def main() -> int:
    """Plant each bug in turn."""
    parser = argparse.ArgumentParser(prog="make chaos-selftest", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", nargs="+", choices=list(BUGS), default=list(BUGS))
    parser.add_argument("--out", type=Path, default=Path("build/chaos-selftest"))
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    arguments.out.mkdir(parents=True, exist_ok=True)
    missed = []
    for name in arguments.only:
        bug = EXPECTED[name]
        kinds = {kind: replace(KINDS[kind], targets=bug.targets or KINDS[kind].targets) for kind in bug.kinds}
        with folder() as work, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(run(Options(seed, work, bug.seconds, kinds, plant=name)))
        (arguments.out / f"{name}.json").write_text(json.dumps(report.json, indent=2, default=str) + "\n", "utf-8")
        (arguments.out / f"{name}.txt").write_text(table(report), "utf-8")
        by = caught(report, bug)
        print(f"{name:20} {'found by ' + ', '.join(by) if by else 'NOT FOUND'}, seed {seed}", flush=True)
        if not by:
            missed.append(name)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
