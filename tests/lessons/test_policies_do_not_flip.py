"""Who is asked is settled when an approval opens, and what was decided is never weighed again.

The policy was evaluated again on resume and flipped (LangChain `when`; openai-agents-js#1418); an approval was
completed after it had been given to somebody else (camunda#4865).
"""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from kit.office import Office
from kit.product import problem
from placet_approval.deps import Deps
from placet_approval.domain import Approval, Decision
from placet_approval.handlers import decisions

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEGAL = {"name": "legal", "match": {"workflow": "asks"}, "stages": [{"quorums": [{"approvers": ["group:legal"]}]}]}


async def test_a_policy_that_changes_touches_nothing_that_is_open(office: Office) -> None:
    """Only what opens from then on; until somebody has it evaluated again, which is recorded."""
    before = await office.ask("plain")
    try:
        await put(office, LEGAL)
        after = await office.ask("plain")
        assert [each["source"] for each in after["progress"]] == ["author", "policy:legal@1"]
        assert await office.placet.approval(before["id"]) == before

        again = await office.placet.http.post(f"/v1/approvals/{before['id']}/reevaluate", json={"comment": "new law"})
        assert [each["source"] for each in again.json()["progress"]] == ["author", "policy:legal@1"]
        assert again.json()["timeline"][-1]["kind"] == "reevaluated"
        problem(await office.ana.decide(before, "approve", revision=1), 409, "terms-changed")
        await office.ana.approve(before)  # good enough for the author
        assert (await office.placet.approval(before["id"]))["status"] == "pending"
        await office.cy.approve(before, revision=2)
        assert (await office.placet.approval(before["id"]))["status"] == "approved"
    finally:
        await office.placet.http.delete("/v1/policies/legal")
    assert [each["source"] for each in (await office.placet.approval(after["id"]))["progress"]] == [
        "author",
        "policy:legal@1",
    ]


async def test_a_resolution_stays_however_policies_change(office: Office) -> None:
    """Replayed by its run, or evaluated again by somebody, an approval that ended is as it ended."""
    approval = await office.ask("plain")
    await office.ana.approve(approval)
    run = await office.placet.ended(approval["runId"])
    try:
        await put(office, LEGAL)
        answer = await office.placet.http.post(f"/v1/approvals/{approval['id']}/reevaluate", json={})
        assert problem(answer, 409, "already-resolved")["outcome"] == "approved"
    finally:
        await office.placet.http.delete("/v1/policies/legal")
    assert (run["status"], await office.placet.run(run["id"])) == ("completed", run)


async def test_a_page_from_before_a_reassignment_is_stale(office: Office) -> None:
    """Whoever sends back what they were shown gets 409; who is no longer asked may not decide at all."""
    approval = await office.ask("escalated")
    path = f"/v1/approvals/{approval['id']}/reassign"
    body = {"from": "user:ana", "to": "user:bo", "comment": "ana is ill", "revision": approval["revision"]}

    moved = await office.placet.http.post(path, json=body)
    problem(await office.placet.http.post(path, json=body), 409, "terms-changed")

    assert moved.json()["revision"] == approval["revision"] + 1
    [entry] = [entry for entry in moved.json()["timeline"] if entry["kind"] == "reassigned"]
    assert (entry["actor"], entry["detail"], entry["comment"]) == ("key:admin", "user:ana to user:bo", "ana is ill")
    problem(await office.ana.decide(approval, "approve", revision=approval["revision"]), 409, "terms-changed")
    problem(await office.ana.decide(approval, "approve"), 403, "not-allowed")
    await office.bo.approve(approval, revision=moved.json()["revision"])
    problem(await office.placet.http.post(path, json={"from": "user:bo", "to": "user:ana"}), 409, "already-resolved")


@pytest.mark.parametrize("decision", [None, "", "aprove", "Approve", "yes", True, 1, ["approve"], {"approve": True}])
async def test_a_misspelt_decision_is_no_vote(office: Office, decision: Any) -> None:
    """Nor a missing one (pydantic-ai#8060, langchain#39247)."""
    approval = await office.ask("two-of-three")

    answer = await office.ana.http.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": decision})

    problem(answer, 422, "invalid-request")
    assert await office.placet.approval(approval["id"]) == approval


async def test_eight_deciders_and_three_replicas_resolve_once(office: Office) -> None:
    """Whichever replica takes a vote: two of three approve, once, and the others are told."""
    approval = await office.ask("two-of-three")
    deps = _deps(office)

    async def decide(handle: str) -> object:
        [result] = await decisions.decide(deps, [Decision(UUID(approval["id"]), "approve", f"user:{handle}", "api")])
        return result

    results = await asyncio.gather(*(decide(handle) for handle in ("ana", "bo", "cy", "ana", "bo", "cy", "dee", "eve")))

    found = await office.placet.approval(approval["id"])
    assert found["status"] == "approved"
    assert len([entry for entry in found["timeline"] if entry["kind"] == "vote"]) == 2
    assert sum(isinstance(result, Approval) and result.status == "approved" for result in results) >= 1
    ended = [entry for entry in found["timeline"] if entry["kind"] == "approved"]
    assert len(ended) == 1
    assert (await office.placet.ended(approval["runId"]))["status"] == "completed"


async def test_the_clock_and_the_last_vote_do_not_both_win(office: Office) -> None:
    """Whichever is first; the other one is told (airflow#55054)."""
    deps = _deps(office)
    due = "UPDATE approvals SET expires_at = now() WHERE id = $1::text::uuid AND status = 'pending'"
    for _ in range(8):
        approval = await office.ask("two-of-three")
        await office.ana.approve(approval)
        answer, *_ = await asyncio.gather(
            office.bo.decide(approval, "approve"),
            office.placet.running.query("approval", due, approval["id"]),
            decisions.expire(deps),
            decisions.expire(deps),
        )
        body = answer.json()
        told = body["status"] if answer.status_code == 200 else body["outcome"]
        await office.placet.ended(approval["runId"])
        assert (await office.placet.approval(approval["id"]))["status"] == told


async def put(office: Office, policy: dict[str, Any]) -> None:
    """Put a policy in force."""
    answer = await office.placet.http.post("/v1/policies", json={"policy": policy})
    assert answer.status_code == 200, answer.text


def _deps(office: Office) -> Deps:
    assert office.placet.running._approval is not None
    return office.placet.running._approval.deps
