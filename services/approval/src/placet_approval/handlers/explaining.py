"""Why somebody can or cannot decide on an approval, what it still needs, and what its deadline brings."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import Approval, NotFound, Role
from placet_approval.handlers.reading import complete
from placet_approval.handlers.voting import look
from placet_approval.policy.authoriser import Allowed, authorise
from placet_approval.store import approvals, moments
from placet_approval.store.moments import Coming


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


async def explain(deps: Deps, id: UUID, actor: str, roles: frozenset[Role], *, bootstrap: bool = False) -> Explanation:
    """Judge an actor on an approval as the authoriser would now, without deciding anything.

    ``roles`` are those of an actor who is nobody known, or who asks about themselves.

    Raises:
        NotFound: there is no such approval.
    """
    async with deps.outbox.transaction() as (conn, _):
        found = await approvals.get(conn, [id])
        if id not in found:
            raise NotFound("approval", id)
        [approval] = await complete(conn, found.values())
        facts = await look(deps, conn, [approval], [actor])
        coming = await moments.coming(conn, id)
    person = facts.people.get(actor)
    decider = facts.decider(actor, roles if person is None else person.roles, bootstrap=bootstrap)
    handle = None if person is None else person.handle
    if approval.status != "pending":
        why = f"it is {approval.status} by {approval.resolved_by}"
        return Explanation(approval, actor, handle, False, "already-resolved", why, None, ())
    answer = authorise(facts.case(approval), decider)
    if isinstance(answer, Allowed):
        principal = None if answer.principal is None else answer.principal.handle
        why = "can decide" if principal is None else f"can decide for {principal}, who is away"
        return Explanation(approval, actor, handle, True, None, why, principal, coming)
    return Explanation(approval, actor, handle, False, answer.reason, answer.why, None, coming)
