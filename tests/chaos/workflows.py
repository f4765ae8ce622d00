"""The workflows under test. ``CHAOS_LEDGER`` is the ledger's file, ``CHAOS_WEBHOOK`` where a webhook is received."""

import asyncio
import os
from pathlib import Path
from typing import Any

from chaos.ledger import Ledger
from placet import Context, Email, Interrupt, Placet, Slack, Webhook
from placet_contracts.destinations import Destination

EXPIRES_IN = 2.0  # seconds
SLOW = 1.5  # seconds, that the slow workflow's steps take

app = Placet()
_ledger = Ledger(Path(os.environ["CHAOS_LEDGER"]))


def destinations(number: int) -> list[Destination]:
    """Whom a run tells, by its number: each channel its share."""
    every: list[Destination] = [
        Email("ana@example.com"),
        Slack(channel_id="C0CHAOS"),
        Webhook(os.environ["CHAOS_WEBHOOK"]),
    ]
    return [every[number % len(every)]]


async def _effect(ctx: Context[Any], step: str) -> str:
    return _ledger.effect(ctx.run_id, step)


def _enter(ctx: Context[Any], gate: str) -> None:
    approval = ctx.approval(gate)
    assert approval is not None
    _ledger.enter(ctx.run_id, gate, approval.outcome)


@app.workflow("one")
async def one(ctx: Context[Any], input: dict[str, Any]) -> Any:
    """One gate, and an effect on each side of it."""
    before = await ctx.step("before", _effect, ctx, "before")
    if not ctx.approved:
        return Interrupt.approval(
            message="Go on?", context={"before": before}, destination=destinations(input["number"])
        )
    _enter(ctx, "approval")
    return {"before": before, "after": await ctx.step("after", _effect, ctx, "after")}


@app.workflow("two")
async def two(ctx: Context[Any], input: dict[str, Any]) -> Any:
    """Two gates, one after the other."""
    before = await ctx.step("before", _effect, ctx, "before")
    await ctx.require_approval("legal", context={"before": before}, destination=destinations(input["number"]))
    _enter(ctx, "legal")
    between = await ctx.step("between", _effect, ctx, "between")
    await ctx.require_approval("money", context={"between": between})
    _enter(ctx, "money")
    return {"before": before, "between": between, "after": await ctx.step("after", _effect, ctx, "after")}


@app.workflow("expiring")
async def expiring(ctx: Context[Any], input: dict[str, Any]) -> Any:
    """A gate with a deadline that decisions race against."""
    before = await ctx.step("before", _effect, ctx, "before")
    await ctx.require_approval(title="Soon?", expires_in=EXPIRES_IN)
    _enter(ctx, "approval")
    return {"before": before}


@app.workflow("slow")
async def slow(ctx: Context[Any], input: dict[str, Any]) -> Any:
    """Holds its lease for a while on both sides of its gate."""
    before = await ctx.step("before", _slow_effect, ctx, "before")
    await ctx.require_approval(context={"before": before})
    _enter(ctx, "approval")
    return {"before": before, "after": await ctx.step("after", _slow_effect, ctx, "after")}


async def _slow_effect(ctx: Context[Any], step: str) -> str:
    done = _ledger.effect(ctx.run_id, step)
    await asyncio.sleep(SLOW)
    return done
