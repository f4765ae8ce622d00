"""What the demo's terminal tells."""

import asyncio
from datetime import timedelta

from placet import PlacetClient
from placet_approval.deps import Deps
from placet_standalone.demo import store

_LOOK_EVERY = 0.25  # seconds
_LATE = timedelta(seconds=5)  # that something may become visible after what came behind it


async def decide_one(url: str, key: str) -> int:
    """Start a run, approve what it asks for, and show its end; an exit code."""
    async with PlacetClient(url, key) as client:
        run = await client.start("delete-user", {"user_id": "ada"})
        say(f"started   run {run.id} of the workflow 'delete-user'")
        run = await client.wait(run.id, timeout=30, until="paused")
        if run.status != "paused":
            say(f"unexpected: the run is {run.status}: {run.error}")
            return 1
        approval = await client.approval(run.approvals[0].id)
        say("paused    it holds nothing while it waits: stop this and start it again, it goes on")
        say(f"asks      {approval.title}?")
        decided = await client.approve(approval.id, comment="decided by the demo itself")
        say(f"decided   {decided.status} by {decided.resolved_by}")
        run = await client.wait(run.id, timeout=30)
        say(f"ended     {run.status}" + (f" with {run.output!r}" if run.status == "completed" else ""))
        return 0 if run.status == "completed" else 1


async def follow(deps: Deps) -> None:
    """Tell of votes, of decisions and of how runs end, as they do, for ever."""
    told: set[str] = set()
    async with deps.pool.acquire() as conn:
        since = await store.now(conn)
        told |= {each.id for each in await store.news(conn, since - _LATE)}
    while True:
        async with deps.pool.acquire() as conn:
            news = await store.news(conn, since - _LATE)
        for each in news:
            if each.id not in told:
                told.add(each.id)
                say(f"{each.what:<9} {each.text}")
            since = max(since, each.at)
        await asyncio.sleep(_LOOK_EVERY)


def say(text: str) -> None:
    """A line for whoever watches."""
    print(f"demo: {text}", flush=True)
