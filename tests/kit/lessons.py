"""The workflows that the lessons are about, and a ledger of what they did, by run id."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

from placet import Context, Interrupt, Placet

app = Placet()

done: defaultdict[str, list[str]] = defaultdict(list)
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)  # what handlers wait for, by run id


@app.workflow("one-gate")
async def one_gate(ctx: Context, input: Any) -> Any:
    done[ctx.run_id].append("entered")
    if not ctx.approved:
        return Interrupt.approval(message="Really?", expires_in=input if isinstance(input, float) else None)
    done[ctx.run_id].append("effect")
    return input


@app.workflow("two-gates")
async def two_gates(ctx: Context, input: Any) -> str:
    done[ctx.run_id].append("entered")
    await ctx.require_approval("first")
    done[ctx.run_id].append("first")
    if input == "hold":
        await gates[ctx.run_id].wait()
    await ctx.require_approval("second")
    done[ctx.run_id].append("second")
    return "both"


@app.workflow("asks-again")
async def asks_again(ctx: Context, input: str) -> Interrupt:
    done[ctx.run_id].append("entered")
    return Interrupt.approval(input)


@app.workflow("one-flag")
async def one_flag(ctx: Context, input: None) -> str | Interrupt:
    if ctx.approval("first") is None:
        return Interrupt.approval("first")
    if not ctx.approved:
        return Interrupt.approval()
    return "asked twice"


@app.workflow("patient", retries=1, timeout=timedelta(seconds=1))
async def patient(ctx: Context, input: None) -> list[int]:
    done[ctx.run_id].append("entered")
    if ctx.attempt == 1:
        raise RuntimeError("once")
    attempts = []
    for gate in range(5):
        await ctx.require_approval(f"gate-{gate}")
        attempts.append(ctx.attempt)
    return attempts


@app.workflow("falsy")
async def falsy(ctx: Context, input: Any) -> Any:
    async def compute() -> Any:
        done[ctx.run_id].append("computed")
        return input

    value = await ctx.step("compute", compute)
    await ctx.require_approval("first", context=input)
    again = await ctx.step("compute-again", compute)
    await ctx.require_approval("second", context=input)
    assert value == again
    return value


@app.workflow("stumbles-after", retries=3)
async def stumbles_after(ctx: Context, input: None) -> list[str | None]:
    approval = await ctx.require_approval()
    done[ctx.run_id].append("approved")
    if ctx.attempt < 3:
        raise RuntimeError(f"attempt {ctx.attempt}")
    return [approval.outcome, approval.resolved_by, approval.comment]


@app.workflow("rounds")
async def rounds(ctx: Context, input: int) -> list[int]:
    async def work(number: int) -> int:
        done[ctx.run_id].append(f"round {number}")
        return number * number

    results = []
    for number in range(input):
        results.append(await ctx.step(f"work-{number}", work, number))
        await ctx.require_approval(f"round-{number}")
    return results
