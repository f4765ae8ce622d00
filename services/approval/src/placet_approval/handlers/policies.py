"""Policies of the deployment: put in force, taken out of force, and tried on what was decided in the past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic_core import from_json

from placet_approval.deps import Deps
from placet_approval.domain import NotFound, Past, PolicyChanged, StoredPolicy
from placet_approval.identity import Unfit
from placet_approval.policy import conditions
from placet_approval.policy.authoriser import standing
from placet_approval.policy.matching import DeploymentPolicy, approvers
from placet_approval.policy.people import Decider, Person
from placet_approval.policy.replay import ORDER, Difference, compare
from placet_approval.policy.terms import Named, Terms, combine
from placet_approval.policy.votes import Vote, tally
from placet_approval.store import approvals, identities, policies, votes
from placet_contracts.policies import Approver, AuthorPolicy
from placet_runtime.postgres import Connection

What = Literal["create", "change", "delete"]
About = tuple[str, int, str]  # workflow, version and gate of an approval


@dataclass(frozen=True, slots=True)
class Replayed:
    """An approval of the past that a draft would have had go otherwise."""

    approval: Past
    difference: Difference


@dataclass(frozen=True, slots=True)
class Replay:
    """How many approvals a draft was tried on, and those that would have gone otherwise, the worst first."""

    tried: int
    otherwise: Sequence[Replayed]


async def listed(deps: Deps) -> list[StoredPolicy]:
    """Those in force."""
    async with deps.pool.acquire() as conn:
        return await policies.in_force(conn)


async def ended(deps: Deps) -> list[StoredPolicy]:
    """The last versions of those that are not in force any more."""
    async with deps.pool.acquire() as conn:
        return await policies.ended(conn)


async def naming(deps: Deps, approver: Approver) -> list[StoredPolicy]:
    """Those in force that ask this approver."""
    return [each for each in await listed(deps) if approver in approvers(each.policy)]


async def versions(deps: Deps, name: str) -> list[StoredPolicy]:
    """All versions of one, the newest first.

    Raises:
        NotFound: there never was one of that name.
    """
    async with deps.pool.acquire() as conn:
        found = await policies.versions(conn, name)
    if not found:
        raise NotFound("policy", name)
    return found


async def put(deps: Deps, draft: DeploymentPolicy, by: str, version: int | None = None) -> StoredPolicy:
    """Put a policy in force for what opens from now on, as a new version, unless it says what is in force already.

    Raises:
        Unfit: it has a condition that can never be told.
        PolicyChanged: ``version`` is given, and is not the one in force.
    """
    check(draft)
    async with deps.outbox.transaction() as (conn, _):
        await policies.lock(conn)
        now = {each.name: each for each in await policies.in_force(conn)}.get(draft.name)
        if version is not None and version != (0 if now is None else now.version):
            raise PolicyChanged(draft.name, 0 if now is None else now.version)
        if now is not None and now.policy == draft:
            return now
        await policies.end(conn, [draft.name], by)
        [stored] = await policies.add(conn, [draft], by)
    return stored


async def apply(
    conn: Connection, drafts: Sequence[DeploymentPolicy], by: str, *, prune: bool
) -> list[tuple[str, What]]:
    """Have these policies in force, and with ``prune`` no others; what that changes. In the caller's transaction.

    Raises:
        Unfit: one has a condition that can never be told.
    """
    for draft in drafts:
        check(draft)
    await policies.lock(conn)
    now = {each.name: each.policy for each in await policies.in_force(conn)}
    changed = [draft for draft in drafts if now.get(draft.name) != draft]
    gone = sorted(now.keys() - {draft.name for draft in drafts}) if prune else []
    ending = [*gone, *(draft.name for draft in changed if draft.name in now)]
    if ending:
        await policies.end(conn, ending, by)
    if changed:
        await policies.add(conn, changed, by)
    put: list[tuple[str, What]] = [(draft.name, "change" if draft.name in now else "create") for draft in changed]
    return put + [(name, "delete") for name in gone]


async def end(deps: Deps, name: str, by: str) -> StoredPolicy:
    """Take a policy out of force. What opened under it keeps its terms.

    Raises:
        NotFound: none of that name is in force.
    """
    async with deps.outbox.transaction() as (conn, _):
        ended = await policies.end(conn, [name], by)
    if not ended:
        raise NotFound("policy", name)
    return ended[0]


async def ask(deps: Deps, draft: DeploymentPolicy, about: About, input: object) -> Terms:
    """What would be asked with a draft in force on an approval for which the author asks nothing. Changes nothing.

    Raises:
        Unfit: it has a condition that can never be told.
    """
    check(draft)
    named = [each.named for each in await listed(deps) if each.name != draft.name and each.policy.is_about(*about)]
    if draft.is_about(*about):
        named.append(Named(draft.name, 0, draft))
    return combine(None, named, input)


def check(draft: DeploymentPolicy) -> None:
    """Raises `Unfit` for a condition that can never be told."""
    named = [("approveWhen", draft.approve_when)]
    named += [(f"stages.{number}.when", stage.when) for number, stage in enumerate(draft.stages)]
    for where, condition in named:
        if condition is not None:
            try:
                conditions.check(condition)
            except conditions.CannotTell as error:
                raise Unfit(f"{where}: {error}") from None


async def test(conn: Connection, draft: DeploymentPolicy, limit: int) -> Replay:
    """What a draft would have changed about the last ``limit`` decided approvals that it is about.

    Raises:
        Unfit: it has a condition that can never be told.
    """
    check(draft)
    now_in_force = [each.named for each in await policies.in_force(conn)]
    others = [each for each in now_in_force if each.name != draft.name]
    replaced = [each for each in now_in_force if each.name == draft.name]
    about = await approvals.past(conn, draft.match, limit)
    given = await votes.of_approvals(conn, [past.id for past in about])
    actors = {past.resolved_by for past in about} | {vote.actor for cast in given.values() for vote in cast}
    people = await identities.resolve(conn, sorted(actors)) if actors else {}
    named = Named(draft.name, 0, draft)
    found = []
    for past in about:
        author = None if past.asked is None else AuthorPolicy.model_validate_json(past.asked)
        deployed = [each for each in others if _is_about(each, past)]
        now = [each for each in replaced if _is_about(each, past)]
        input = from_json(past.input)
        before, after = combine(author, [*deployed, *now], input), combine(author, [*deployed, named], input)
        cast = given.get(past.id) or _single(past)
        again = [replace(vote, standing=standing(after, _decider(vote, people))) for vote in cast]
        difference = compare(past.status, before, after, tally(after, again))
        if difference is not None:
            found.append(Replayed(past, difference))
    return Replay(len(about), sorted(found, key=lambda each: ORDER.index(each.difference.kind)))


def _is_about(named: Named, past: Past) -> bool:
    policy = named.policy
    return isinstance(policy, DeploymentPolicy) and policy.is_about(past.workflow, past.version, past.gate)


def _single(past: Past) -> tuple[Vote, ...]:
    """The decision on an approval for which one approver was enough."""
    return (Vote(past.resolved_by, "approve" if past.status == "approved" else "reject", (), actor=past.resolved_by),)


def _decider(vote: Vote, people: Mapping[str, Person]) -> Decider:
    actor = vote.actor if vote.on_behalf_of is None else f"user:{vote.on_behalf_of}"
    person = people.get(actor)
    return Decider(actor, frozenset({"approver"}) if person is None else person.roles | {"approver"}, person)
