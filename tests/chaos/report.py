"""What a test run has shown: as JSON, and as a table."""

import os
import platform
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg

from chaos.checks import effects, starts, told
from chaos.checks.check import Check
from chaos.checks.table import CHECKS
from chaos.evidence import Evidence, Injected
from chaos.load import Load
from chaos.stack import Stack
from chaos.usage import Usage

LEAST_CYCLES_PER_SECOND = 0.5
"""The load's floor over the whole run: a busy machine manages several times as many."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One invariant, as this run has shown it."""

    id: str
    holds: str
    counts: str
    exercised: int
    wrong: list[str]


@dataclass(frozen=True, slots=True)
class Faults:
    """One kind of fault: how often it came, how often with an effect, and how long recovery took, in seconds."""

    injected: int
    effective: int
    recovery: dict[str, float]
    variants: dict[str, int]  # effective ones


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. ``failures`` is empty where everything holds."""

    seed: int
    planted: str | None
    versions: dict[str, str]
    seconds: dict[str, float]
    faults: dict[str, Faults]
    counts: dict[str, int]
    invariants: list[Judged]
    growth: dict[str, Usage]
    failures: list[str]
    schedule: list[str]

    @property
    def json(self) -> dict[str, Any]:
        return asdict(self)


async def report(
    seed: int,
    planted: str | None,
    stack: Stack,
    load: Load,
    evidence: Evidence,
    growth: Mapping[str, Usage],
    asked_for: Collection[str],
    spared: Collection[str],
    booted: float,
    lasted: float,
) -> Report:
    """Look at everything, and say what was found; ``asked_for`` are the kinds of fault that were to come.

    Invariants that are ``spared`` may go unexercised, as no kind of fault of this run aims at them.
    """
    judged = [_judge(check, evidence) for check in CHECKS]
    kinds = by_kind(evidence.injected, asked_for)
    rate = len(load.cycles) / lasted
    return Report(
        seed=seed,
        planted=planted,
        versions=await versions(stack),
        seconds={"boot": booted, "until at rest": evidence.rested or -1.0, "all": lasted},
        faults=kinds,
        counts=_counts(load, evidence),
        invariants=judged,
        growth=dict(growth),
        failures=failures(kinds, judged, rate, spared),
        schedule=[_line(each) for each in evidence.injected],
    )


def failures(
    kinds: Mapping[str, Faults], judged: Sequence[Judged], rate: float, spared: Collection[str] = ()
) -> list[str]:
    """Why a run fails; nothing is what it must come to. A run that has shown nothing fails as well."""
    found = [f"{each.id}: {len(each.wrong)} times not so: {each.holds}" for each in judged if each.wrong]
    found += [
        f"{each.id}: never exercised: {each.holds}" for each in judged if not each.exercised and each.id not in spared
    ]
    found += [f"no fault of the kind {name!r} had an effect" for name, kind in kinds.items() if not kind.effective]
    if rate < LEAST_CYCLES_PER_SECOND:
        found.append(f"the load fell below its floor: {rate:.2f} cycles/s, at least {LEAST_CYCLES_PER_SECOND} are due")
    return found


def by_kind(injected: Sequence[Injected], asked_for: Collection[str]) -> dict[str, Faults]:
    """Faults by their kind, also of a kind that was asked for and never came."""
    grouped: defaultdict[str, list[Injected]] = defaultdict(list)
    for each in injected:
        grouped[each.planned.kind].append(each)
    return {
        kind: Faults(
            injected=len(grouped[kind]),
            effective=sum(bool(each.effect.seen) for each in grouped[kind]),
            recovery=quantiles([each.recovery for each in grouped[kind] if each.recovery is not None]),
            variants=dict(Counter(each.planned.variant for each in grouped[kind] if each.effect.seen)),
        )
        for kind in asked_for
    }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest; nothing of nothing."""
    if not values:
        return {}
    ranked = sorted(values)
    return {
        **{f"p{q}": ranked[min(len(ranked) - 1, len(ranked) * q // 100)] for q in (50, 95, 99)},
        "max": ranked[-1],
    }


async def versions(stack: Stack) -> dict[str, str]:
    """What it ran on."""
    [row] = await stack.fetch("SHOW server_version")
    connection = await aio_pika.connect(stack.rabbitmq.url)  # any of them
    async with connection:
        properties = connection.transport.connection.server_properties  # type: ignore[union-attr]
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()) if sys.platform == "linux" else None
    return {
        "python": platform.python_version(),
        "postgres": row["server_version"],
        "rabbitmq": str(properties.get("version", "?")) if properties else "?",
        "asyncpg": asyncpg.__version__,
        "aio-pika": aio_pika.__version__,
        "machine": f"{os.cpu_count()} cores of {platform.machine()}, {int(memory[1]) >> 20 if memory else '?'} GiB",
    }


def _judge(check: Check, evidence: Evidence) -> Judged:
    found = check.look(evidence)
    return Judged(check.id, check.holds, check.counts, found.exercised, found.wrong)


def _counts(load: Load, evidence: Evidence) -> dict[str, int]:
    ended = Counter(row["status"] for row in evidence.runs.values())
    return {
        **{f"runs {status}": count for status, count in sorted(ended.items())},
        "runs parked": sum(row["parked"] for row in evidence.runs.values()),
        **dict(sorted(evidence.memory.counts.items())),
        **{f"{workflow} (mix)": count for workflow, count in sorted(load.mix.items())},
        "cycles that clients saw end": len(load.cycles),
        "cycles that ended later": len(load.unfinished),
        "starts that only a wiped broker had": starts.excused(evidence),
        "sections entered again": effects.entered_again(evidence),
        **{f"notified again, {channel}": count for channel, count in told.told_again(evidence).items()},
        "dead letters": evidence.dead_letters,
        "quarantined": len(evidence.quarantined),
    }


def _line(injected: Injected) -> str:
    planned = injected.planned
    recovery = f"{injected.recovery:.1f} s" if injected.recovery is not None else "never"
    return (
        f"{planned.at:6.1f}  {planned.kind:10} {planned.variant:26} {planned.target:22} "
        f"lasted {injected.ended - injected.began:4.1f} s, recovery {recovery}: {injected.effect.seen or 'NO EFFECT'}"
    )
