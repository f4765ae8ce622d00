"""What is asked on approvals that are to open, and when: the author's policy and the deployment's, on their input."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import StoredPolicy
from placet_approval.policy import calendar
from placet_approval.policy.people import subject
from placet_approval.policy.terms import AUTHOR, combine
from placet_approval.store import identities, policies
from placet_approval.store.approvals import Opening
from placet_approval.store.moments import Moment
from placet_contracts.destinations import Destination, Email
from placet_contracts.events import ApprovalRequested, Outcome
from placet_contracts.policies import AuthorPolicy, Policy
from placet_runtime.postgres import Connection

_MAILBOX = "email:"
_OUTCOMES: dict[str, Outcome] = {"expire": "expired", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """An approval that is to open, and what is to come while it is open."""

    opening: Opening
    moments: Sequence[Moment]


async def prepare(deps: Deps, conn: Connection, requests: Sequence[ApprovalRequested]) -> dict[UUID, Prepared]:
    """Settle what is asked, by the policies that are in force."""
    deployed = await policies.in_force(conn)
    asked = {request.requested_by for request in requests if request.requested_by is not None}
    people = await identities.resolve(conn, sorted(asked)) if asked else {}
    requesters = {actor: subject(person) for actor, person in people.items()}
    now: datetime | None = None
    prepared = {}
    for request in requests:
        about = [p for p in deployed if p.policy.is_about(request.workflow, request.version, request.gate)]
        requester = requesters.get(request.requested_by or "")
        if request.policy is None and not about:
            prepared[request.approval_id] = Prepared(Opening(request, None, requester, request.expires_in), ())
            continue
        now = now or await conn.fetchval("SELECT now()")
        terms = combine(request.policy, [policy.named for policy in about], request.input)
        seconds, outcome = deadline(now, request.expires_in, request.policy, about)
        coming = moments(now, request.approval_id, request.destinations, sources(request.policy, about))
        prepared[request.approval_id] = Prepared(Opening(request, terms, requester, seconds, outcome), coming)
    return prepared


def sources(author: AuthorPolicy | None, deployed: Sequence[StoredPolicy]) -> list[tuple[str, Policy]]:
    """All policies about an approval, by their source."""
    return [(AUTHOR, author or AuthorPolicy()), *((each.named.source, each.policy) for each in deployed)]


def deadline(
    now: datetime, expires_in: float | None, author: AuthorPolicy | None, deployed: Sequence[StoredPolicy]
) -> tuple[float | None, Outcome]:
    """The earliest deadline that any of them sets, in seconds from now, and what it brings."""
    ends: list[tuple[float, Outcome]] = []
    for source, policy in sources(author, deployed):
        seconds = expires_in if source == AUTHOR else policy.expires_in
        if seconds is not None:
            end = calendar.after(now, seconds, policy.hours)
            ends.append(((end - now).total_seconds(), _OUTCOMES[policy.on_deadline]))
    return min(ends, default=(None, "expired"))


def moments(
    now: datetime,
    approval_id: UUID,
    destinations: Sequence[Destination],
    policies: Sequence[tuple[str, Policy]],
    *,
    first: int = 0,
) -> list[Moment]:
    """Reminders and escalations, in the order of their sources, numbered from ``first`` on."""
    found: list[Moment] = []
    for source, policy in policies:
        for after in policy.reminders:
            seconds = (calendar.after(now, after, policy.hours) - now).total_seconds()
            found.append(Moment(approval_id, first + len(found), "reminder", source, seconds, (), tuple(destinations)))
        for each in policy.escalations:
            seconds = (calendar.after(now, each.after, policy.hours) - now).total_seconds()
            boxes = [Email(one.removeprefix(_MAILBOX)) for one in each.to if one.startswith(_MAILBOX)]
            told = tuple(dict.fromkeys([*destinations, *each.destinations, *boxes]))
            found.append(Moment(approval_id, first + len(found), "escalation", source, seconds, each.to, told))
    return found
