"""The approval cycle as a Restate workflow. It is served by granian, in an environment with ``restate-sdk``.

``GET /paused/{id}``, served beside it, answers once a run waits at its gate: a signal in memory, so that seeing the
pause costs Restate no durable work.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any

import restate

gate = restate.Workflow("Gate")
paused: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


@gate.main()
async def run(ctx: restate.WorkflowContext, input: dict[str, Any]) -> dict[str, Any]:
    entered = monotonic_ns()

    async def look_up() -> dict[str, Any]:
        return {"key": input["key"], "entered": entered}

    found = await ctx.run_typed("look-up", look_up)
    asyncio.get_running_loop().call_soon(paused[ctx.key()].set)  # when this handler waits
    decision = await ctx.promise("approval", type_hint=str).value()
    return {"entered": found["entered"], "resumed": monotonic_ns(), "decision": decision}


@gate.handler()
async def approve(ctx: restate.WorkflowSharedContext, decision: str) -> None:
    await ctx.promise("approval", type_hint=str).resolve(decision)


_services: Any = restate.app(services=[gate])


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "http" and scope["path"].startswith("/paused/"):
        run_id = scope["path"].removeprefix("/paused/")
        await paused[run_id].wait()
        del paused[run_id]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})
    else:
        await _services(scope, receive, send)
