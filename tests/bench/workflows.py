"""The benchmark's workflow: one durable step, one gate. Its output says when its handler was entered, and again."""

from time import monotonic_ns
from typing import Any

from placet import Context, Interrupt, Placet

app = Placet()


async def look_up(key: str, entered: int) -> dict[str, Any]:
    """A step that costs nothing, and keeps when the first pass began."""
    return {"key": key, "entered": entered}


@app.workflow("bench", version=1)
async def bench(ctx: Context, input: dict[str, Any]) -> Any:
    """Step, pause, and end."""
    entered = monotonic_ns()
    found = await ctx.step("look-up", look_up, input["key"], entered)
    if not ctx.approved:
        return Interrupt.approval(message="Go on?")
    return {"entered": found["entered"], "resumed": entered}
