"""What waits for somebody is what the authoriser lets them decide on, whatever is asked, and whatever has happened."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from kit.desk import ADMIN, Desk, desk
from placet_approval.domain import Approval, ApprovalError, Role
from placet_approval.handlers import asking, decisions, holding, moments, operating, policies, shelves, voting
from placet_approval.handlers.shelves import Counts
from placet_approval.identity import Unfit
from placet_approval.policy.authoriser import Allowed, asked_now, authorise
from placet_approval.policy.matching import DeploymentPolicy
from placet_approval.policy.terms import names as named
from placet_approval.store import approvals, votes
from placet_contracts.policies import AuthorPolicy, Escalation, Quorum, Stage

HANDLES = ("ana", "bo", "cy", "dee", "eve", "flo")
GROUPS = ("finance", "legal", "heads")
NAMES = [*(f"user:{handle}" for handle in HANDLES), *(f"group:{name}" for name in GROUPS), "email:ana@example.com"]
ASKED = 40


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Desk]:
    async with desk(database_url) as made:
        yield made


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
async def test_what_waits_for_somebody_is_what_they_can_decide_on(office: Desk, seed: int) -> None:
    """In right of their own, or standing in; in any order, page by page; and whom each asks is written down."""
    dice = random.Random(seed)
    await _people(office, dice)
    for n in range(3):
        match = {"workflow": "w", "version": n} if n else {"workflow": "w"}
        await policies.put(office.deps, DeploymentPolicy(name=f"p{n}", match=match, **_policy(dice)), "user:admin")
    asked = [await _ask(office, dice) for _ in range(ASKED)]
    pending = await _pending(office)
    for _ in range(4):
        await _go_on(office, dice, asked)
        await moments.pass_by(office.deps)

        pending = await _pending(office)
        assert await _written(office) == {
            approval.id: asked_now(approval.terms, approval.votes) for approval in pending if approval.terms is not None
        }
        for handle in HANDLES:
            assert set(await office.mine(handle)) == await _can_decide_on(office, handle, pending)
    for handle in HANDLES[:3]:
        whole = await office.mine(handle)
        groups = await office.on("groups", handle)
        assert await shelves.counts(office.deps, await office.person(handle)) == Counts(len(whole), len(groups))
        assert len(set(whole)) == len(whole)
        assert await office.mine(handle, limit=3) == whole
        assert await office.mine(handle, limit=3, order="oldest") == whole[::-1]
        assert sorted(await office.mine(handle, limit=4, order="due")) == sorted(whole)
        assert await office.on("groups", handle, limit=7) == groups
        names = {f"group:{name}" for name in (await office.person(handle)).groups}
        assert set(groups) == {each.id for each in pending if names & asked_now(each.asked, each.votes)}

    async with office.deps.pool.acquire() as conn:
        await conn.execute("DELETE FROM approvers WHERE random() < 0.5")
    await asking.align(office.deps)
    assert await _written(office) == {
        approval.id: asked_now(approval.terms, approval.votes) for approval in pending if approval.terms is not None
    }
    await _decides_on_what_waits(office, dice, [each.id for each in pending])


async def _people(office: Desk, dice: random.Random) -> None:
    for handle in HANDLES:
        roles: tuple[Role, ...] = dice.choice([("approver",), ("approver",), ("admin",), ("viewer",)])
        await office.know(handle, *dice.sample(GROUPS, dice.randrange(3)), roles=roles)
    for who, delegate in dice.sample([(a, b) for a in HANDLES for b in HANDLES if a != b], 3):
        await office.away(who, delegate)


def _quorum(dice: random.Random) -> Quorum:
    named = tuple(dice.sample(NAMES, dice.randrange(4)))
    people = len(named) if not any(name.startswith("group:") for name in named) else 3
    return Quorum(approvers=named, required=dice.randint(1, min(people or 2, 2)))


def _policy(dice: random.Random) -> dict[str, object]:
    found: dict[str, object] = {
        "stages": tuple(
            Stage(need=dice.choice(["all", "any"]), quorums=tuple(_quorum(dice) for _ in range(dice.randint(1, 2))))
            for _ in range(dice.randrange(3))
        ),
        "separate_requester": dice.choice([None, None, True, False]),
        "distinct_gates": dice.random() < 0.3,
        "rejections": dice.randint(1, 2),
    }
    if dice.random() < 0.3:
        found["escalations"] = (Escalation(after=0.001, to=(dice.choice(NAMES),)),)
    return found


async def _ask(office: Desk, dice: random.Random) -> UUID:
    run = f"run-{dice.randrange(ASKED // 2)}"
    async with office.deps.pool.acquire() as conn:
        gates = await conn.fetchval("SELECT count(*) FROM approvals WHERE run_id = $1", run)
    policy = AuthorPolicy(**_policy(dice)) if dice.random() < 0.7 else None
    return await office.ask(
        policy,
        run_id=run,
        workflow=dice.choice(["w", "x"]),
        version=dice.randint(1, 4),
        gate=f"g{gates}",
        requested_by=dice.choice([None, "key:ci", *(f"user:{handle}" for handle in HANDLES)]),
        expires_in=dice.choice([None, None, 3600.0, 7200.0]),
    )


async def _go_on(office: Desk, dice: random.Random, asked: list[UUID]) -> None:
    """Some of everything that happens to approvals."""
    for id in dice.sample(asked, 20):
        handle = dice.choice(HANDLES)
        if dice.random() < 0.3:
            await holding.hold(office.deps, [await office.decision(handle, id, dice.choice(["approve", "reject"]))])
        else:
            await office.decide(handle, id, dice.choice(["approve", "approve", "approve", "reject"]))
    for id in dice.sample(asked, 6):
        approval = await office.approval(id)
        if approval.status == "pending" and approval.terms is not None:
            if dice.random() < 0.3:
                await operating.evaluate_again(office.deps, id, ADMIN.actor, None)
            elif who := dice.choice(sorted(named(approval.terms)) or [""]):
                to = dice.choice(NAMES)
                try:
                    await operating.put_in_place(office.deps, id, ADMIN.actor, who=who, to=to, comment=None)
                except Unfit:
                    continue
    async with office.deps.pool.acquire() as conn:
        one = dice.choice(asked)
        await conn.execute("UPDATE approvals SET expires_at = now() WHERE id = $1 AND status = 'pending'", one)
    await decisions.expire(office.deps)


async def _decides_on_what_waits(office: Desk, dice: random.Random, pending: list[UUID]) -> None:
    """A decision is taken where it waits for whoever makes it, and nowhere else; one that was made before stays."""
    held = {id: {each.subject for each in made} for id, made in (await holding.of(office.deps, pending)).items()}
    for id in dice.sample(pending, min(len(pending), 12)):
        for handle in HANDLES:
            decision = await office.decision(handle, id)
            approval = await office.approval(id)
            said = {*held.get(id, ()), *(vote.subject for vote in approval.votes)}
            if approval.status == "pending" and decision.subject not in said:
                waits = id in await office.mine(handle)
                assert waits != isinstance(await office.decide(handle, id), ApprovalError)


async def _pending(office: Desk) -> list[Approval]:
    async with office.deps.pool.acquire() as conn:
        ids = [row["id"] for row in await conn.fetch("SELECT id FROM approvals WHERE status = 'pending'")]
        given = await votes.of_approvals(conn, ids)
        return [replace(each, votes=given.get(id, ())) for id, each in (await approvals.get(conn, ids)).items()]


async def _written(office: Desk) -> dict[UUID, frozenset[str]]:
    rows = await office.deps.pool.fetch("SELECT approval_id, array_agg(approver) AS all FROM approvers GROUP BY 1")
    return {row["approval_id"]: frozenset(row["all"]) for row in rows}


async def _can_decide_on(office: Desk, handle: str, pending: list[Approval]) -> set[UUID]:
    """By asking the authoriser about each."""
    person = await office.person(handle)
    async with office.deps.pool.acquire() as conn:
        facts = await voting.look(office.deps, conn, pending, [f"user:{handle}"])
    decider = facts.decider(f"user:{handle}", person.roles)
    allowed = {each.id for each in pending if isinstance(authorise(facts.case(each), decider), Allowed)}
    held = await holding.of(office.deps, [each.id for each in pending])
    return {id for id in allowed if not any(each.subject == str(person.id) for each in held.get(id, ()))}
