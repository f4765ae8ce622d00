"""The benchmark's workflow: one durable step, one gate. Its output says when its handler was entered."""

from time import monotonic_ns
from typing import Any

from placet import Context, Interrupt, Placet

app = Placet()


async def look_up(key: str) -> dict[str, str]:
    """A step that costs nothing."""
    return {"key": key}


@app.workflow("bench", version=1)
async def bench(ctx: Context, input: dict[str, Any]) -> Any:
    """Step, pause, and end."""
    entered = monotonic_ns()
    found = await ctx.step("look-up", look_up, input["key"])
    if not ctx.approved:
        return Interrupt.approval(message="Go on?")
    return {"entered": entered, "found": found}
