"""Why somebody can or cannot decide on an approval, what it still needs, and what its deadline brings."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import Approval, NotFound, Person, Role
from placet_approval.handlers.reading import complete
from placet_approval.handlers.voting import Facts, look
from placet_approval.identity import BOOTSTRAP, key_roles
from placet_approval.policy.authoriser import Allowed, authorise, is_named
from placet_approval.policy.people import Decider, may_decide
from placet_approval.store import approvals, identities, keys, moments
from placet_approval.store.moments import Coming
from placet_runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Explanation:
    """What can be said of an actor and an approval."""

    approval: Approval
    actor: str
    person: str | None
    may_decide: bool
    reason: str | None
    why: str
    on_behalf_of: str | None
    coming: Sequence[Coming]


async def explain(
    deps: Deps, id: UUID, actor: str, roles: frozenset[Role] | None = None, *, bootstrap: bool = False
) -> Explanation:
    """Judge an actor on an approval as the authoriser would now, without deciding anything.

    ``roles`` are those that the actor acts with; without them, those that it has: a person's, or a key's.

    Raises:
        NotFound: there is no such approval.
    """
    async with deps.outbox.transaction() as (conn, _):
        approval = await _approval(conn, id)
        facts = await look(deps, conn, [approval], [actor])
        coming = await moments.coming(conn, id)
        acting = await _roles(conn, actor, facts.people.get(actor)) if roles is None else roles
    if acting is None and approval.status == "pending":
        why = f"{actor} is nobody who is known"
        return Explanation(approval, actor, None, False, "owner-unknown", why, None, coming)
    acting = acting or frozenset()
    return _judge(facts, approval, facts.decider(actor, acting, bootstrap=bootstrap), coming)


async def everybody(deps: Deps, id: UUID, *, limit: int) -> list[Explanation]:
    """The same of users who have a role to decide with, or are named, and are not disabled, by handle; so many users
    are looked at.

    Raises:
        NotFound: there is no such approval.
    """
    async with deps.outbox.transaction() as (conn, _):
        approval = await _approval(conn, id)
        users = await identities.every_user(conn, limit=limit)
        actors = [
            user.actor for user in users if may_decide(user) or (not user.disabled and is_named(approval.asked, user))
        ]
        facts = await look(deps, conn, [approval], actors)
        coming = await moments.coming(conn, id)
    deciders = [facts.decider(actor, facts.people[actor].roles) for actor in actors]
    return [_judge(facts, approval, decider, coming) for decider in deciders]


async def _roles(conn: Connection, actor: str, person: Person | None) -> frozenset[Role] | None:
    """What an actor may act as; ``None`` for who is nobody known."""
    if actor == f"key:{BOOTSTRAP}":
        return frozenset({"admin"})
    if actor.startswith("key:"):
        key = await keys.get(conn, actor.removeprefix("key:"))
        return None if key is None else key_roles(key.role, None if person is None else person.roles)
    return None if person is None else person.roles


async def _approval(conn: Connection, id: UUID) -> Approval:
    found = await approvals.get(conn, [id])
    if id not in found:
        raise NotFound("approval", id)
    [approval] = await complete(conn, found.values())
    return approval


def _judge(facts: Facts, approval: Approval, decider: Decider, coming: Sequence[Coming]) -> Explanation:
    actor, handle = decider.actor, None if decider.person is None else decider.person.handle
    if approval.status != "pending":
        why = f"it is {approval.status} by {approval.resolved_by}"
        return Explanation(approval, actor, handle, False, "already-resolved", why, None, ())
    answer = authorise(facts.case(approval), decider)
    if isinstance(answer, Allowed):
        principal = None if answer.principal is None else answer.principal.handle
        why = "can decide" if principal is None else f"can decide for {principal}, who is away"
        return Explanation(approval, actor, handle, True, None, why, principal, coming)
    return Explanation(approval, actor, handle, False, answer.reason, answer.why, None, coming)
