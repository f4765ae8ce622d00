"""What paused runs cost: bytes, memory, start-up, idle CPU, and the speed of everything else beside them.

Two systems go through the same, one after the other: one with so many paused runs, and one with none; where something
must be paused to be measured (pages, resuming), the second one has a few.
"""

import argparse
import asyncio
import base64
import json
import random
from pathlib import Path
from statistics import median
from time import monotonic, monotonic_ns
from typing import Any

import asyncpg

from bench.driver import Cycles, Driver, call, percentile
from bench.http import Client
from bench.measure import memory, usage
from bench.peers.placet import Placet
from bench.scale import plot as svg
from bench.scale.seed import Paused, seed, settle, sizes
from bench.scale.systems import calling
from bench.stacks import database, dev
from kit.servers import Servers

_RESUMED = 200  # one at a time
_IN_FLIGHT = 256
_SPARE = 100  # so that the last page is full
_READS, _READ_FOR = 100, 3.0  # so many, or for so many seconds
_REAL = 2000  # runs that the services pause, to see that seeded ones take as many bytes


async def measure(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both systems, and what differs."""
    few = arguments.slice + _RESUMED + _SPARE
    empty = await _system(found, folder, 0, few, arguments.slice)
    full = await _system(found, folder, arguments.paused, few, arguments.slice)
    return {"paused": arguments.paused, "few": few, "empty": empty, "full": full, "ratio": _ratios(empty, full)}


def plot(result: dict[str, Any]) -> str:
    """By how much each figure grows."""
    ratios = {name: {"": ratio} for name, ratio in result["ratio"].items()}
    title = f"{result['paused']:,} paused runs"
    return svg.bars(title, "times the figure of an empty system (1: no difference)", ratios, one=1)


async def _system(found: Servers, folder: Path, paused: int, few: int, slice_: int) -> dict[str, Any]:
    async with database(found.postgres, "bench_paused") as database_url:
        async with calling(dev(database_url, folder)) as (_, http):
            await Placet().pause(http)
        seeded, figures = await _seeded(database_url, paused) if paused else ([], {})
        await settle(database_url)
        figures["start_seconds"] = await _start_seconds(database_url, folder)
        async with calling(dev(database_url, folder)) as (stack, http):
            await asyncio.sleep(3)  # what a start leaves to be done
            figures |= {"memory": memory(), "idle_cpu_ms_per_second": await _idle(stack.database_url)}
            if not paused:
                figures["bytes_of_real"] = await _bytes_of_real(database_url, http)
                seeded, _ = await _seeded(database_url, few)
                await settle(database_url)
            await Driver(Placet(), http).run(in_flight=64, seconds=3)  # the first queries of each connection plan
            figures["reads_ms"] = await _reads(database_url, http)
            chosen = random.Random(1).sample(seeded, slice_ + _RESUMED)
            figures["resume_ms"] = await _resume(http, chosen[:_RESUMED])
            before = await usage(database_url)
            figures["resolved_per_second"] = await _rate(http, chosen[_RESUMED:])
            figures["resolved_wal_bytes"] = (await usage(database_url)).since(before).wal / slice_
            figures["memory_in_the_end"] = memory()
            return figures


async def _seeded(database_url: str, count: int) -> tuple[list[Paused], dict[str, Any]]:
    before, began = await sizes(database_url), monotonic()
    seeded = await seed(database_url, count)
    return seeded, {"seeded_in_seconds": monotonic() - began, "bytes": _each(before, await sizes(database_url), count)}


async def _bytes_of_real(database_url: str, http: Client) -> dict[str, dict[str, float]]:
    """Bytes of a run that the services have paused, with what its changes leave behind."""
    before = await sizes(database_url)
    left = iter(range(_REAL))

    async def lane() -> None:
        for _ in left:
            await Placet().pause(http)

    await asyncio.gather(*(lane() for _ in range(64)))
    await settle(database_url)
    return _each(before, await sizes(database_url), _REAL)


def _each(
    before: dict[str, dict[str, int]], after: dict[str, dict[str, int]], count: int
) -> dict[str, dict[str, float]]:
    grown = {
        table: {part: (size - before[table][part]) / count for part, size in parts.items()}
        for table, parts in after.items()
    }
    grown["all"] = {part: sum(parts[part] for parts in grown.values()) for part in ("table", "indexes", "total")}
    return grown


async def _start_seconds(database_url: str, folder: Path) -> float:
    """From the start of the process to its being ready, the median of some."""
    took = []
    for _ in range(3):
        began = monotonic()
        async with dev(database_url, folder):
            took.append(monotonic() - began)
    return median(took)


async def _idle(database_url: str) -> dict[str, float]:
    """CPU while nothing happens, by kind of process."""
    seconds = 10
    before = await usage(database_url)
    await asyncio.sleep(seconds)
    used = (await usage(database_url)).since(before)
    return {kind: 1000 * cpu / seconds for kind, cpu in used.cpu.items() if kind in ("dev", "postgres")}


async def _reads(database_url: str, http: Client) -> dict[str, dict[str, float]]:
    """How long reads take, one at a time; those behind a cursor begin in the middle of what there is."""
    approvals, runs = await _middles(database_url)
    paths = {
        "pending approvals, first page": "/v1/approvals?status=pending&limit=50",
        "pending approvals, halfway": f"/v1/approvals?status=pending&limit=50&cursor={approvals}",
        "runs, first page": "/v1/runs?limit=50",
        "runs, halfway": f"/v1/runs?limit=50&cursor={runs}",
        "failed runs, of which there are none": "/v1/runs?status=failed&limit=50",
        "metrics": "/metrics",
    }
    found = {}
    for name, path in paths.items():
        took: list[float] = []
        ends = monotonic() + _READ_FOR
        while len(took) < _READS and monotonic() < ends:
            began = monotonic()
            status, body = await http.request("GET", path)
            took.append(1000 * (monotonic() - began))
            if status != 200:
                raise RuntimeError(f"GET {path}: {status} {body[:200]!r}")
        found[name] = {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}
    return found


async def _middles(database_url: str) -> tuple[str, str]:
    """Cursors to the middle of the pending approvals and of the runs, as the API writes them."""
    conn = await asyncpg.connect(database_url)
    try:
        cursors = []
        for table, at in (("approvals", "opened_at"), ("runs", "created_at")):
            row = await conn.fetchrow(
                f"""
                SELECT {at} AS at, id FROM approval.{table} ORDER BY {at}, id
                 LIMIT 1 OFFSET (SELECT count(*) / 2 FROM approval.{table})
                """
            )
            assert row is not None
            place = json.dumps([row["at"].isoformat(), str(row["id"])]).encode()
            cursors.append(base64.urlsafe_b64encode(place).decode().rstrip("="))
    finally:
        await conn.close()
    return cursors[0], cursors[1]


async def _resume(http: Client, paused: list[Paused]) -> dict[str, float]:
    """From sending a decision to the handler's entry, one at a time."""
    seen = Cycles()
    for each in paused:
        await _resolve(http, each, seen)
    return {"p50": percentile(seen.approve_to_entry, 0.5), "p99": percentile(seen.approve_to_entry, 0.99)}


async def _rate(http: Client, paused: list[Paused]) -> float:
    """Runs that are approved and seen to end, per second, with many in flight."""
    seen, left, began = Cycles(), iter(paused), monotonic()

    async def lane() -> None:
        for each in left:
            await _resolve(http, each, seen)

    await asyncio.gather(*(lane() for _ in range(_IN_FLIGHT)))
    return len(paused) / (monotonic() - began)


async def _resolve(http: Client, paused: Paused, seen: Cycles) -> None:
    run_id, approval_id = paused
    approved = monotonic_ns()
    await call(http, "POST", f"/v1/approvals/{approval_id}/decisions", {"decision": "approve"})
    ended = await call(http, "GET", f"/v1/runs/{run_id}?wait=30")
    if ended["status"] != "completed":
        raise RuntimeError(f"a paused run did not complete: {ended}")
    output = ended["output"]
    seen.end(started=output["entered"], entered=output["entered"], approved=approved, resumed=output["resumed"])


def _ratios(empty: dict[str, Any], full: dict[str, Any]) -> dict[str, float]:
    """What the full system needs, in terms of what the empty one does."""

    def ratio(*path: str) -> float:
        one, other = empty, full
        for name in path:
            one, other = one[name], other[name]
        return float(other) / float(one)  # type: ignore[arg-type]

    return {
        "memory of the services": ratio("memory", "dev"),
        "start-up": ratio("start_seconds"),
        **{f"idle CPU, {kind}": ratio("idle_cpu_ms_per_second", kind) for kind in empty["idle_cpu_ms_per_second"]},
        "resume, p50": ratio("resume_ms", "p50"),
        "resume, p99": ratio("resume_ms", "p99"),
        **{name: ratio("reads_ms", name, "p50") for name in empty["reads_ms"]},
        "runs resolved per second": ratio("resolved_per_second"),
        "WAL of a resolved run": ratio("resolved_wal_bytes"),
    }
