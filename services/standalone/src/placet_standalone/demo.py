"""``placet demo``: a workflow that pauses before something risky, a decision, and the workflow's end."""

import sys
from contextlib import suppress

from pydantic import BaseModel

from placet import Context, Interrupt, Placet, PlacetClient
from placet_standalone.app import Standalone

app = Placet()


class DeleteUser(BaseModel):
    """What is asked of the example."""

    user_id: str


class Deleted(BaseModel):
    """What the example gives."""

    user_id: str
    rows: int


async def count_rows(user_id: str) -> int:
    """Look up what a deletion would take with it."""
    return 42


@app.workflow("delete-user", version=1)
async def delete_user(ctx: Context, input: DeleteUser) -> Deleted | Interrupt:
    """Delete a user, if somebody agrees."""
    rows = await ctx.step("count", count_rows, input.user_id)
    if not ctx.approved:
        return Interrupt.approval(
            title=f"Delete user {input.user_id}",
            message=f"I need your approval to delete the user {input.user_id}. Is this ok?",
            context={"rows": rows},
        )
    return Deleted(user_id=input.user_id, rows=rows)


async def tell(standalone: Standalone, *, auto: bool) -> int:
    """Start the example, wait for its decision (or decide, with ``auto``), and show its end; an exit code."""
    key = standalone.secrets.admin_key
    async with PlacetClient(standalone.url, key) as client:
        run = await client.start("delete-user", {"user_id": "ada"})
        _say(f"started   run {run.id} of the workflow 'delete-user'")
        run = await client.wait(run.id, timeout=30, until="paused")
        if run.status != "paused":
            _say(f"unexpected: the run is {run.status}: {run.error}")
            return 1
        approval = await client.approval(run.approvals[0].id)
        _say("paused    it holds nothing while it waits: stop this and start it again, it goes on")
        _say(f"asks      {approval.message}")
        link = f"{standalone.url}/approvals/{approval.id}"
        if auto:
            await client.approve(approval.id, comment="decided by the demo itself")
        else:
            _say(f"look      {link}")
            _say("approve   in another terminal:\n")
            print(
                f"  curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n"
                f'    -d \'{{"decision": "approve"}}\' {standalone.url}/v1/approvals/{approval.id}/decisions\n',
                flush=True,
            )
        while True:
            with suppress(TimeoutError):
                run = await client.wait(run.id, timeout=3600)
                break
        decided = await client.approval(approval.id)
        _say(f"decided   {decided.status} by {decided.resolved_by}")
        _say(f"ended     {run.status}" + (f" with {run.output}" if run.status == "completed" else ""))
        return 0 if not auto or run.status == "completed" else 1


def _say(text: str) -> None:
    print(f"demo: {text}", file=sys.stdout, flush=True)
