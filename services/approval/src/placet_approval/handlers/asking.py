"""Whom pending approvals with terms ask now, kept true as votes are cast and terms are changed."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import Approval
from placet_approval.policy.authoriser import asked_now
from placet_approval.store import approvers, votes
from placet_runtime.postgres import Connection

_BATCH = 200
_LOOK_AGAIN = 3600.0  # seconds


async def follow(conn: Connection, changed: Iterable[Approval]) -> None:
    """Have it known whom these ask, as their terms and votes are, where they have terms and are pending.

    Their rows are locked by this transaction, or new in it.
    """
    asked = [(each, _asked(each)) for each in changed if each.terms is not None and each.status == "pending"]
    if asked:
        await approvers.put(conn, asked)


async def follow_votes(conn: Connection, before: Mapping[UUID, Approval], after: Iterable[Approval]) -> None:
    """The same after votes were cast, which mostly ask nobody else."""
    await follow(conn, [each for each in after if _asked(each) != _asked(before[each.id])])


async def align(deps: Deps) -> None:
    """Have it known whom all of them ask: those of a release that did not write it down, too."""
    after: UUID | None = None
    while True:
        async with deps.outbox.transaction() as (conn, _):
            some = await approvers.lock_some(conn, after, _BATCH)
            given = await votes.of_approvals(conn, [approval.id for approval in some]) if some else {}
            await follow(conn, [replace(each, votes=given.get(each.id, ())) for each in some])
        if len(some) < _BATCH:
            return
        after = some[-1].id


async def keep_aligned(deps: Deps) -> None:
    """Align as the service starts, and every hour: a release of before may have been at work beside this one."""
    while True:
        await align(deps)
        await asyncio.sleep(_LOOK_AGAIN)


def _asked(approval: Approval) -> frozenset[str]:
    return asked_now(approval.asked, approval.votes)
