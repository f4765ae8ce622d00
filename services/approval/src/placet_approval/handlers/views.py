"""Who has opened the pages of approvals. What is read over the API was not viewed: that may be a program."""

from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import Caller
from placet_approval.store import views


async def note(deps: Deps, approval_id: UUID, caller: Caller) -> None:
    """Note that somebody has opened an approval's page while it was pending. Their first time counts."""
    async with deps.outbox.transaction() as (conn, _):
        news = await views.note(conn, approval_id, caller.subject or caller.actor, caller.actor)
    if news:
        deps.changed([approval_id])
