"""Workflows of every shape that matters to the machinery, and a ledger of what they did, outside of the database."""

from collections import Counter
from dataclasses import dataclass, field

from placet import Context, Email, Interrupt, Placet
from placet.errors import NotRetryable
from placet_contracts.events import Outcome

NAMES = ("none", "one", "two", "resume", "expiring", "flaky", "doomed")
UNSERVED = "unserved"
EXPIRES_IN = 60.0

ANA = Email("ana@example.com")


@dataclass(slots=True)
class Ledger:
    """What happened in handlers, whatever became of their passes."""

    effects: Counter[tuple[str, str]] = field(default_factory=Counter)  # by run and step
    entries: list[tuple[str, str, Outcome]] = field(default_factory=list)  # run, gate, outcome that was seen

    async def effect(self, run_id: str, step: str) -> str:
        """An effect with another result each time, so that two executions can be told apart."""
        self.effects[run_id, step] += 1
        return f"{step} {self.effects[run_id, step]} of {run_id}"

    def enter(self, ctx: Context, gate: str) -> None:
        """The section behind a gate begins."""
        approval = ctx.approval(gate)
        assert approval is not None
        self.entries.append((ctx.run_id, gate, approval.outcome))


def workflows(ledger: Ledger) -> Placet:
    """The app that every simulated executor serves."""
    app = Placet()

    @app.workflow("none")
    async def none(ctx: Context, input: int) -> dict[str, str]:
        return {"first": await ctx.step("first", ledger.effect, ctx.run_id, "first")}

    @app.workflow("one")
    async def one(ctx: Context, input: int) -> Interrupt | dict[str, str]:
        first = await ctx.step("first", ledger.effect, ctx.run_id, "first")
        await ctx.notify(message=f"run {ctx.run_id} begins", destination=ANA)
        if not ctx.approved:
            return Interrupt.approval(message="Go on?", context={"first": first}, destination=ANA)
        ledger.enter(ctx, "approval")
        return {"first": first, "second": await ctx.step("second", ledger.effect, ctx.run_id, "second")}

    @app.workflow("two")
    async def two(ctx: Context, input: int) -> dict[str, str]:
        first = await ctx.step("first", ledger.effect, ctx.run_id, "first")
        await ctx.require_approval("legal", context={"first": first})
        ledger.enter(ctx, "legal")
        second = await ctx.step("second", ledger.effect, ctx.run_id, "second")
        await ctx.require_approval("money", context={"second": second})
        ledger.enter(ctx, "money")
        return {"first": first, "second": second}

    @app.workflow("resume")
    async def resume(ctx: Context, input: int) -> Interrupt | str:
        approval = ctx.approval()
        if approval is None:
            return Interrupt.approval(on_reject="resume", expires_in=EXPIRES_IN, destination=ANA)
        ledger.enter(ctx, "approval")
        return approval.outcome

    @app.workflow("expiring")
    async def expiring(ctx: Context, input: int) -> None:
        await ctx.require_approval(title="Soon?", expires_in=EXPIRES_IN)
        ledger.enter(ctx, "approval")

    @app.workflow("flaky")
    async def flaky(ctx: Context, input: int) -> dict[str, str]:
        first = await ctx.step("first", ledger.effect, ctx.run_id, "first")
        if ctx.attempt == 1:
            raise ConnectionError("the first attempt fails")
        await ctx.require_approval()
        ledger.enter(ctx, "approval")
        return {"first": first}

    @app.workflow("doomed")
    async def doomed(ctx: Context, input: int) -> None:
        await ctx.require_approval()
        ledger.enter(ctx, "approval")
        raise NotRetryable("no")

    return app


def resumes(workflow: str) -> bool:
    """Whether a workflow asks for its handler to go on where its gate was refused."""
    return workflow == "resume"
