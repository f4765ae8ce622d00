"""What operators do to open approvals: put somebody in another's place, and evaluate policies again. All recorded."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from pydantic_core import from_json

from placet_approval.deps import Deps
from placet_approval.domain import AlreadyResolved, Approval, NotFound, StoredPolicy, TermsChanged
from placet_approval.handlers import asking, opening
from placet_approval.handlers.reading import complete
from placet_approval.handlers.resolving import count, resolved
from placet_approval.identity import Unfit
from placet_approval.policy.authoriser import standing
from placet_approval.policy.people import Decider
from placet_approval.policy.terms import Terms, combine, names, reassign
from placet_approval.policy.votes import Vote, tally
from placet_approval.store import approvals, identities, moments, policies, votes
from placet_contracts.policies import Approver, AuthorPolicy
from placet_runtime.postgres import Connection


async def put_in_place(
    deps: Deps, id: UUID, by: str, *, who: Approver, to: Approver, comment: str | None, revision: int | None = None
) -> Approval:
    """Have ``to`` asked wherever an open approval names ``who``. Votes that were cast stay as they are.

    Raises:
        NotFound, AlreadyResolved: there is no such approval that is open.
        TermsChanged: it is at another revision than was shown.
        Unfit: it does not name ``who``, or with ``to`` it asks for more people than it names.
    """
    async with deps.outbox.transaction() as (conn, _):
        approval = await _open(conn, id, revision)
        if who not in names(approval.asked):
            raise Unfit(f"from: {who} is not named on approval {id}")
        try:
            terms = reassign(approval.asked, who, to)
        except ValueError:
            raise Unfit(f"to: {to} is asked beside {who} already, and both are needed") from None
        [changed] = await approvals.set_terms(conn, [(id, terms, 1)])
        await votes.changed(conn, [(id, "reassigned", by, f"{who} to {to}", comment)])
        [shown] = await complete(conn, [changed])
        await asking.follow(conn, [shown])
    deps.changed([id])
    return shown


async def evaluate_again(deps: Deps, id: UUID, by: str, comment: str | None) -> Approval:
    """Ask on an open approval what author and policies ask now.

    Its deadline stays; reminders and escalations begin anew. Votes that were cast count for what they count for now:
    where that is enough, it ends by that. A rule does not end it.

    Raises:
        NotFound, AlreadyResolved: there is no such approval that is open.
    """
    async with deps.outbox.transaction() as (conn, emit):
        approval = await _open(conn, id, None)
        author, input = await approvals.asked(conn, id)
        deployed = [
            each
            for each in await policies.in_force(conn)
            if each.policy.is_about(approval.workflow, approval.version, approval.gate)
        ]
        terms = _by_people(combine(author, [each.named for each in deployed], from_json(input)))
        given = await _standing_anew(deps, conn, id, terms)
        [changed] = await approvals.set_terms(conn, [(id, terms, 1)])
        await _begin_anew(conn, changed, author, deployed)
        await votes.changed(conn, [(id, "reevaluated", by, _in_words(terms), comment)])
        ended: Sequence[Approval] = []
        if given and (outcome := tally(terms, given).outcome) != "pending":
            last = given[-1]
            ended = await approvals.end(conn, [(id, outcome, last.actor, last.channel, last.comment)])
            emit(resolved(deps, ended))
        [shown] = await complete(conn, ended or [changed])
        await asking.follow(conn, [shown])
    count(ended)
    deps.changed([id])
    return shown


async def _open(conn: Connection, id: UUID, revision: int | None) -> Approval:
    """An approval that is pending, locked."""
    locked = await approvals.lock(conn, [id])
    if not locked:
        raise NotFound("approval", id)
    [(approval, late)] = locked
    if approval.status != "pending":
        raise AlreadyResolved(id, approval.status, approval.resolved_by)
    if late:
        raise AlreadyResolved(id, approval.on_deadline, None)
    if revision is not None and revision != approval.revision:
        raise TermsChanged(id)
    return approval


async def _standing_anew(deps: Deps, conn: Connection, id: UUID, terms: Terms) -> list[Vote]:
    """The votes that were cast, counting for what whoever cast them counts for by these terms."""
    given = (await votes.of_approvals(conn, [id])).get(id, ())
    if not given:
        return []
    counts = {vote.actor if vote.on_behalf_of is None else f"user:{vote.on_behalf_of}" for vote in given}
    people = await identities.resolve(conn, sorted(counts))
    anew = []
    for vote in given:
        person = people.get(vote.actor if vote.on_behalf_of is None else f"user:{vote.on_behalf_of}")
        roles = frozenset({"approver"}) if person is None else person.roles
        anew.append(replace(vote, standing=standing(terms, Decider(vote.actor, roles, person))))
    await votes.stand(conn, id, [vote.standing for vote in anew])
    return anew


async def _begin_anew(
    conn: Connection, approval: Approval, author: AuthorPolicy | None, deployed: Sequence[StoredPolicy]
) -> None:
    first = await moments.drop(conn, approval.id)
    now = await conn.fetchval("SELECT now()")
    told = await approvals.destinations(conn, approval.id)
    coming = opening.moments(now, approval.id, told, opening.sources(author, deployed), first=first)
    if coming:
        await moments.add(conn, coming)


def _by_people(terms: Terms) -> Terms:
    """The same without what rules stand for: an approval that people were asked about is theirs to decide."""
    return terms.model_copy(update={"asks": tuple(ask.model_copy(update={"approved_by": None}) for ask in terms.asks)})


def _in_words(terms: Terms) -> str:
    return f"asked by {', '.join(ask.source for ask in terms.asks)}"
