"""The benchmark's workflow, and long ones: many steps in one run, and many gates."""

from time import monotonic_ns
from typing import Any

from bench.workflows import app
from placet import Context

__all__ = ["app"]


async def now() -> int:
    """A step that keeps when it ran."""
    return monotonic_ns()


@app.workflow("bench-steps", version=1)
async def steps(ctx: Context, input: dict[str, Any]) -> Any:
    """Many steps, one gate. The output says when each step ran, and when the last pass began and had replayed them."""
    entered = monotonic_ns()
    ran = [await ctx.step(f"step-{n}", now) for n in range(input["steps"])]
    replayed = monotonic_ns()
    await ctx.require_approval()
    return {"ran": ran, "resumed": entered, "replayed": replayed}


@app.workflow("bench-gates", version=1)
async def gates(ctx: Context, input: dict[str, Any]) -> None:
    """Many gates. What each approval shows says when it was asked for."""
    for n in range(input["gates"]):
        await ctx.require_approval(f"gate-{n}", context={"asked": monotonic_ns()})
