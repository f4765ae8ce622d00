"""Who stands in for whom while they are away."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from placet_approval.deps import Deps
from placet_approval.domain import Caller, Delegation, NotAllowed, NotFound
from placet_approval.identity import Unfit
from placet_approval.store import delegations, identities


async def add(deps: Deps, caller: Caller, principal: str, delegate: str, time: tuple[datetime, datetime]) -> Delegation:
    """Have ``delegate`` stand in for ``principal``, both as ``user:<handle>``, from one moment until another.

    Raises:
        NotAllowed: somebody does it for another, and is no admin.
        Unfit: the same person twice, nobody known, or a time that never is.
    """
    if principal == delegate:
        raise Unfit("delegate: nobody stands in for themselves")
    starts_at, ends_at = time
    if starts_at >= ends_at:
        raise Unfit("endsAt: not later than startsAt")
    async with deps.outbox.transaction() as (conn, _):
        people = await identities.resolve(conn, sorted({principal, delegate, caller.actor}))
        for name, who in (("principal", principal), ("delegate", delegate)):
            if who not in people:
                raise Unfit(f"{name}: nobody is known as {who}")
        _require_own(caller, principal, people.get(caller.actor) == people[principal])
        made = Delegation(uuid7(), principal, delegate, starts_at, ends_at, caller.actor)
        await delegations.add(conn, made)
    return made


async def end(deps: Deps, caller: Caller, id: UUID) -> Delegation:
    """End one at once.

    Raises:
        NotFound: there is none that has not ended.
        NotAllowed: it is somebody else's, and the caller is no admin.
    """
    async with deps.outbox.transaction() as (conn, _):
        ended = await delegations.end(conn, id, caller.actor)
        if ended is None:
            raise NotFound("delegation", id)
        people = await identities.resolve(conn, sorted({ended.principal, caller.actor}))
        own = ended.principal in people and people.get(caller.actor) == people[ended.principal]
        _require_own(caller, ended.principal, own)
    return ended


async def listed(deps: Deps) -> list[Delegation]:
    """Those that are not over."""
    async with deps.pool.acquire() as conn:
        return await delegations.every(conn)


def _require_own(caller: Caller, principal: str, own: bool) -> None:
    if not own and not caller.may("manage"):
        raise NotAllowed("not-yours", f"only {principal} themselves, or an admin, may say who stands in for them")
