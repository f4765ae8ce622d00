"""What the soak runs: a step, a notification, a gate with somebody to tell, and now and then a failure."""

from typing import Any

from placet import Context, Email, Interrupt, NotRetryable, Placet

app = Placet()
ana = Email("ana@example.com")


async def look_up(key: int) -> dict[str, Any]:
    """A step that costs nothing."""
    return {"key": key, "padding": "x" * 200}


@app.workflow("soak", version=1)
async def soak(ctx: Context, input: dict[str, Any]) -> Any:
    """Ends completed, rejected or failed, as its input says."""
    found = await ctx.step("look-up", look_up, input["n"])
    await ctx.notify(message="It is being looked at.", destination=ana)
    if not ctx.approved:
        return Interrupt.approval(message="Go on?", destination=ana)
    if input["n"] % 50 == 0:
        raise NotRetryable("as the input says")
    return found
