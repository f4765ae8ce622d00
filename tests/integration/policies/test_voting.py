"""Approvals that ask for more than one approver: each decision is a vote, and the last that is needed ends it."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from kit.office import Office
from kit.people import know
from kit.product import problem
from kit.waiting import eventually
from placet_approval.handlers import keys

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_last_vote_that_is_needed_approves(office: Office) -> None:
    """Before that it stays pending, and says what is missing."""
    approval = await office.ask("two-of-three")

    first = await office.ana.decide(approval, "approve", comment="fine")
    assert (first.status_code, first.json()["status"]) == (200, "pending")
    [progress] = first.json()["progress"]
    assert progress["missing"] == [{"approvers": ["user:ana", "user:bo", "user:cy"], "count": 1}]
    last = await office.cy.decide(approval, "approve", comment="me too")

    body = last.json()
    assert (body["status"], body["comment"]) == ("approved", "me too")
    assert [(e["kind"], e.get("verdict"), e.get("comment")) for e in body["timeline"]] == [
        ("opened", None, None),
        ("vote", "approve", "fine"),
        ("vote", "approve", "me too"),
        ("approved", None, "me too"),
    ]
    assert (await office.placet.ended(approval["runId"]))["status"] == "completed"


async def test_one_rejection_ends_it_unless_it_takes_two(office: Office) -> None:
    """And the run is told."""
    one, two = await office.ask("two-of-three"), await office.ask("two-rejections")
    await office.ana.approve(one)
    await office.bo.reject(one, comment="no")
    assert (await office.placet.ended(one["runId"]))["error"]["type"] == "ApprovalRejected"

    await office.ana.reject(two)
    assert (await office.placet.approval(two["id"]))["status"] == "pending"
    await office.dee.reject(two)
    assert (await office.placet.approval(two["id"]))["status"] == "rejected"


async def test_who_is_not_asked_is_told_who_is(office: Office) -> None:
    """403, with the reason; nothing changes by it."""
    approval = await office.ask("group")

    body = problem(await office.cy.decide(approval, "approve"), 403, "not-allowed")

    assert (body["reason"], body["detail"]) == ("not-an-approver", "cy is not asked: it needs group:finance")
    problem(await office.placet.decide(approval, "approve"), 403, "not-allowed")  # the bootstrap key is nobody
    assert await office.placet.approval(approval["id"]) == approval


async def test_nobody_counts_twice_by_whatever_key(office: Office) -> None:
    """The same decision again is no error and no second vote; the other one is a conflict."""
    one, other = await know(office.placet, "fay", "everybody", aliases=2)
    approval = await office.ask("everybody")
    async with office.placet.running.http(one) as first, office.placet.running.http(other) as second:
        for http in (first, second, first):
            answer = await http.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": "approve"})
            assert (answer.status_code, answer.json()["status"]) == (200, "pending")
        answer = await second.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": "reject"})
        problem(answer, 409, "already-voted")

    found = await office.placet.approval(approval["id"])
    assert [entry["kind"] for entry in found["timeline"]] == ["opened", "vote"]
    assert found["progress"][0]["missing"][0]["count"] == 2


async def test_stages_come_in_sequence(office: Office) -> None:
    """Who comes too early is told so; who has decided in one stage does not count in the next."""
    approval = await office.ask("stages")

    assert problem(await office.cy.decide(approval, "approve"), 403, "not-allowed")["reason"] == "not-yet"
    await office.bo.approve(approval)
    assert problem(await office.bo.decide(approval, "reject"), 409, "already-voted")
    assert problem(await office.ana.decide(approval, "approve"), 403, "not-allowed")["reason"] == "no-longer"
    await office.cy.approve(approval)

    assert (await office.placet.approval(approval["id"]))["status"] == "approved"


async def test_branches(office: Office) -> None:
    """All of them by different people, or any one."""
    both, either = await office.ask("all-branches"), await office.ask("any-branch")

    await office.bo.approve(both)
    assert (await office.placet.approval(both["id"]))["status"] == "pending"
    await office.ana.approve(both)
    assert (await office.placet.approval(both["id"]))["status"] == "approved"
    await office.ana.approve(either)
    assert (await office.placet.approval(either["id"]))["status"] == "pending"
    await office.cy.approve(either)
    assert (await office.placet.approval(either["id"]))["status"] == "approved"


async def test_the_requester_cannot_decide(office: Office) -> None:
    """Nor through another key of theirs; unless the author lets them. The bootstrap key may, unless it is forbidden."""
    other, *_ = await know(office.placet, "gil", aliases=1)
    async with office.placet.running.http(other) as http:
        plain = await office.ask("plain", by="eve")
        refused = problem(await office.eve.decide(plain, "approve"), 403, "not-allowed")
        assert (refused["reason"], (await office.placet.approval(plain["id"]))["status"]) == ("requester", "pending")
        async with office.placet.running.connection() as conn:
            another = await keys.create(conn, "alias", "approver", owner="eve")
        async with office.placet.running.http(another) as alias:
            answer = await alias.post(f"/v1/approvals/{plain['id']}/decisions", json={"decision": "reject"})
            assert problem(answer, 403, "not-allowed")["reason"] == "requester"
        answer = await http.post(f"/v1/approvals/{plain['id']}/decisions", json={"decision": "approve"})
        assert answer.json()["status"] == "approved"

    await office.eve.approve(await office.ask("self", by="eve"))
    await office.placet.approve(await office.ask("plain"))
    never = await office.ask("never-self")
    assert problem(await office.placet.decide(never, "approve"), 403, "not-allowed")["reason"] == "requester"


async def test_a_key_without_an_owner_is_no_second_pair_of_eyes(office: Office) -> None:
    """Alone it will do; where two people must agree, it may be anybody's."""
    approval = await office.ask("four-eyes")
    async with office.placet.caller("approver") as key:
        assert problem(await key.decide(approval, "approve"), 403, "not-allowed")["reason"] == "owner-unknown"
        await key.approve(await office.ask("plain"))
    await office.ana.approve(approval)
    await office.bo.approve(approval)


async def test_who_decided_at_one_gate_cannot_decide_at_the_next(office: Office) -> None:
    """Where the next one says so."""
    run = await office.placet.start("two-gates", None)
    await office.ana.approve(await office.placet.paused(run))
    second = await office.placet.paused(run)

    assert problem(await office.ana.decide(second, "approve"), 403, "not-allowed")["reason"] == "decided-before"
    await office.bo.approve(second)


async def test_twenty_votes_at_once_are_counted_exactly(office: Office) -> None:
    """Three of five people, each with four keys, all at the same moment: three votes, and one resolution."""
    handles = [f"v{n}{uuid4().hex[:4]}" for n in range(5)]
    keys = [key for handle in handles for key in await know(office.placet, handle, "everybody", aliases=4)]
    approval = await office.ask("everybody")

    async def vote(key: str) -> tuple[int, str]:
        async with office.placet.running.http(key) as http:
            answer = await http.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": "approve"})
            return answer.status_code, answer.json().get("status", "")

    answers = await asyncio.gather(*map(vote, keys))

    rows = await office.placet.running.query(
        "approval", "SELECT subject FROM votes WHERE approval_id = $1::text::uuid", approval["id"]
    )
    assert (len(rows), len({row["subject"] for row in rows})) == (3, 3)
    assert {status for status, _ in answers} <= {200, 409}
    assert Counter(status for status, _ in answers)[409] >= 2 * 1
    assert (await office.placet.approval(approval["id"]))["status"] == "approved"


async def test_a_vote_is_final_in_the_database_too(office: Office) -> None:
    """It refuses changes, and votes on what is resolved."""
    approval = await office.ask("two-of-three")
    await office.ana.approve(approval)
    await office.bo.approve(approval)

    for statement in (
        "UPDATE votes SET verdict = 'reject' WHERE approval_id = $1::text::uuid",
        "DELETE FROM votes WHERE approval_id = $1::text::uuid",
        "INSERT INTO votes (approval_id, position, subject, actor, verdict, standing, channel) "
        "VALUES ($1::text::uuid, 9, 'x', 'x', 'approve', '[]', 'x')",
    ):
        with pytest.raises(Exception, match=r"is final|is resolved"):
            await office.placet.running.query("approval", statement, approval["id"])


@pytest.mark.parametrize(("amount", "needs_finance"), [(5000, True), (5, False), (None, True)])
async def test_a_condition_on_the_input_adds_people(office: Office, amount: int | None, needs_finance: bool) -> None:
    """Also where the field is missing: then a person decides."""
    approval = await office.ask("condition", None, **({} if amount is None else {"amount": amount}))
    await office.ana.approve(approval)
    assert (await office.placet.approval(approval["id"]))["status"] == ("pending" if needs_finance else "approved")


async def test_a_rule_approves_and_says_that_it_was_the_rule(office: Office) -> None:
    """Where it cannot be told, people are asked."""
    run = await office.placet.ended(await office.run("rule", amount=5))
    asked = await office.ask("rule")

    approved = await office.placet.approval(run["approvals"][0]["id"])
    assert (run["status"], approved["resolvedBy"], approved["channel"]) == ("completed", "rule:author", "rule")
    assert asked["status"] == "pending"


async def test_a_deadline_may_reject(office: Office) -> None:
    """By the clock."""
    run = await office.placet.ended(await office.run("reject-in-time"))

    approval = await office.placet.approval(run["approvals"][0]["id"])
    assert (approval["status"], approval["resolvedBy"]) == ("rejected", "clock")


async def test_further_people_may_decide_once_it_is_escalated(office: Office) -> None:
    """Not before, and it is in the timeline."""
    approval = await office.ask("escalated")

    async def escalated() -> bool:
        return "escalated" in [entry["kind"] for entry in (await office.placet.approval(approval["id"]))["timeline"]]

    await eventually(escalated)
    await office.cy.approve(approval)
    assert (await office.placet.approval(approval["id"]))["status"] == "approved"
