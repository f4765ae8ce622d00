"""The figures of one deployment, whatever the product, and what they hold for."""

import os
import platform
from pathlib import Path
from typing import Any

import asyncpg

from bench.driver import Cycles, Driver, percentile
from bench.measure import usage


async def loads(
    driver: Driver, database_url: str | None, *, in_flight: list[int], seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """At each load, the median of some rounds."""
    return [await _load(driver, database_url, in_flight=load, seconds=seconds, rounds=rounds) for load in in_flight]


async def idle(driver: Driver, cycles: int) -> dict[str, dict[str, float]]:
    """Latency from sending a start, or a decision, to the handler's entry, one cycle at a time; milliseconds."""
    await driver.run(in_flight=1, cycles=20)
    seen = await driver.run(in_flight=1, cycles=cycles)
    return {"start_to_entry_ms": _spread(seen.start_to_entry), "approve_to_entry_ms": _spread(seen.approve_to_entry)}


async def machine(postgres_url: str) -> dict[str, Any]:
    """Where this ran."""
    conn = await asyncpg.connect(postgres_url)
    try:
        postgres = await conn.fetchval("SHOW server_version")
        durable = {name: await conn.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")}
    finally:
        await conn.close()
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        "postgres": postgres,
        **durable,
    }


async def _load(
    driver: Driver, database_url: str | None, *, in_flight: int, seconds: float, rounds: int
) -> dict[str, Any]:
    await driver.run(in_flight=in_flight, seconds=seconds / 2)
    found = []
    for _ in range(rounds):
        before = await usage(database_url)
        cycles: Cycles = await driver.run(in_flight=in_flight, seconds=seconds)
        used = (await usage(database_url)).since(before)
        figures: dict[str, Any] = {
            "cycles_per_second": cycles.ended / cycles.seconds,
            "cpu_ms_per_cycle": {name: 1000 * cpu / cycles.ended for name, cpu in used.cpu.items()},
        }
        if database_url is not None:
            figures |= {
                "commits_per_cycle": used.commits / cycles.ended,
                "wal_bytes_per_cycle": used.wal / cycles.ended,
            }
        found.append(figures)
    middle = sorted(found, key=lambda each: float(each["cycles_per_second"]))[len(found) // 2]
    return {"in_flight": in_flight, **middle}


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "p50": percentile(values, 0.5),
        "p99": percentile(values, 0.99),
        "mean": sum(values) / len(values),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
