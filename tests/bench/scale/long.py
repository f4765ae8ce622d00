"""Whether time grows in proportion: many steps in one run, many gates in one run, a large input."""

import argparse
import asyncio
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from time import monotonic, monotonic_ns
from typing import Any
from uuid import uuid4

from bench.driver import call
from bench.http import Client
from bench.scale import plot as svg
from bench.scale.systems import running
from kit.servers import Servers

_STEPS = (1, 10, 100, 1000)
_GATES = 100
_BYTES = (1_000, 10_000, 100_000, 1_000_000)
_ROUNDS = 5


async def measure(found: Servers, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Each stack, with nothing else to do."""
    results: dict[str, Any] = {}
    for kind in arguments.stacks:
        async with running(kind, found, folder) as (_, http):
            for _ in range(20):  # the first queries of each connection plan
                await _with_steps(http, 1)
            results[kind] = {
                "steps": [await _median_of_steps(http, count) for count in _STEPS],
                "gates": await _with_gates(http, _GATES),
                "input": [{"bytes": size, **await _median_with_input(http, size)} for size in _BYTES],
            }
    return results


def plot(result: dict[str, Any]) -> str:
    """Time for one more gate, and for one more step, on the way through a run."""
    series = {}
    for kind, figures in result.items():
        asked = figures["gates"]["ms"]
        series[f"{kind}, a gate"] = [(10 * n + 5, median(asked[10 * n : 10 * n + 10])) for n in range(len(asked) // 10)]
        stepped = figures["steps"][-1]["ms_per_step_by_tenth"]
        series[f"{kind}, a step"] = [(10 * n + 5, each) for n, each in enumerate(stepped)]
    return svg.lines(f"{_STEPS[-1]:,} steps, {_GATES} gates in one run", "% of the way", "ms for one more", series)


async def _median_of_steps(http: Client, count: int) -> dict[str, Any]:
    rounds = [await _with_steps(http, count) for _ in range(_ROUNDS)]
    tenth = max(1, count // 10)
    gaps = [median(each) for each in zip(*(found["gaps"] for found in rounds), strict=True)]
    return {
        "steps": count,
        "ms_per_step_by_tenth": [fmean(gaps[at : at + tenth]) for at in range(0, len(gaps), tenth)],
        "approve_to_entry_ms": median(found["approve_to_entry"] for found in rounds),
        "replay_ms": median(found["replay"] for found in rounds),
    }


async def _with_steps(http: Client, count: int) -> dict[str, Any]:
    """One run with so many steps, in milliseconds: between its steps, from approval to entry, to replay them."""
    run_id, approval_id = await _paused(http, "bench-steps", {"steps": count})
    approved = monotonic_ns()
    output = (await _approved(http, run_id, approval_id))["output"]
    return {
        "gaps": [(after - before) / 1e6 for before, after in pairwise(output["ran"])],
        "approve_to_entry": (output["resumed"] - approved) / 1e6,
        "replay": (output["replayed"] - output["resumed"]) / 1e6,
    }


async def _with_gates(http: Client, count: int) -> dict[str, Any]:
    """One run with so many gates: milliseconds from approving at one to the handler's asking at the next."""
    run_id, approval_id = await _paused(http, "bench-gates", {"gates": count})
    took = []
    for n in range(1, count):
        approved = monotonic_ns()
        await call(http, "POST", f"/v1/approvals/{approval_id}/decisions", {"decision": "approve"})
        while len(approvals := (await call(http, "GET", f"/v1/runs/{run_id}"))["approvals"]) <= n:
            await asyncio.sleep(0.002)
        approval_id = approvals[-1]["id"]
        shown = await call(http, "GET", f"/v1/approvals/{approval_id}")
        took.append((shown["context"]["asked"] - approved) / 1e6)
    await _approved(http, run_id, approval_id)
    return {"ms": took, "first_ten_ms": median(took[:10]), "last_ten_ms": median(took[-10:])}


async def _median_with_input(http: Client, size: int) -> dict[str, float]:
    """A cycle with an input of so many bytes, and approval to entry; milliseconds."""
    cycles, entries = [], []
    for _ in range(2 * _ROUNDS):
        began = monotonic()
        run_id, approval_id = await _paused(http, "bench", {"key": "k", "padding": "x" * size})
        approved = monotonic_ns()
        ended = await _approved(http, run_id, approval_id)
        cycles.append(1000 * (monotonic() - began))
        entries.append((ended["output"]["resumed"] - approved) / 1e6)
    return {"cycle_ms": median(cycles), "approve_to_entry_ms": median(entries)}


async def _paused(http: Client, workflow: str, input: Any) -> tuple[str, str]:
    """A run that is paused, and its approval."""
    run_id = uuid4().hex
    start = {"workflow": workflow, "runId": run_id, "input": input}
    paused = await call(http, "POST", "/v1/runs?wait=30&until=paused", start)
    return run_id, str(paused["approvals"][0]["id"])


async def _approved(http: Client, run_id: str, approval_id: str) -> dict[str, Any]:
    """The run, approved and ended."""
    await call(http, "POST", f"/v1/approvals/{approval_id}/decisions", {"decision": "approve"})
    ended: dict[str, Any] = await call(http, "GET", f"/v1/runs/{run_id}?wait=30")
    if ended["status"] != "completed":
        raise RuntimeError(f"a run did not complete: {ended['status']}, {ended['error']}")
    return ended
