"""Deciding over the API: what counts as a decision, and what the second one is told."""

import json
from typing import Any
from uuid import uuid4

import pytest

from kit.product import Product, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "00000000-0000-4000-8000-000000000000"

Approval = dict[str, Any]


@pytest.mark.parametrize(("decision", "status"), [("approve", "approved"), ("reject", "rejected")])
async def test_the_answer_is_the_approval_as_it_now_is(
    placet: Product, pending: Approval, decision: str, status: str
) -> None:
    """Who decided, when, through which channel and with which comment is part of it."""
    async with placet.caller("approver", f"{decision}-{uuid4().hex}") as ana:
        answer = await ana.decide(pending, decision, comment="as agreed", digest=pending["digest"])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    assert (found["status"], found["comment"], found["channel"]) == (status, "as agreed", "api")
    assert found["resolvedBy"].startswith(f"key:{decision}-")
    assert found["resolvedAt"] >= found["openedAt"]
    assert found == await placet.approval(pending["id"])


NO_DECISIONS = [
    "",
    " ",
    "approve",
    "decision=approve",
    "null",
    "true",
    "1",
    '"approve"',
    "[]",
    "{}",
    '["approve"]',
    '[{"decision": "approve"}]',
    '{"decision": "approve"',
    '{"decision": "approve"} {"decision": "approve"}',
    '{"decision": "approve"}, ',
    "{'decision': 'approve'}",
    '{"approve": true}',
    '{"approved": true}',
    '{"Decision": "approve"}',
    '{"decison": "approve"}',
    '{"decision ": "approve"}',
    '{"decision\\u0000": "approve"}',
    '{"decision": "approve", "extra": 1}',
    '{"decision": "approve", "actor": "key:somebody-else"}',
    '{"decision": "approve", "channel": "slack"}',
    '{"decision": "approve", "decision": "approve"}',
    '{"decision": "reject", "decision": "approve"}',
    '{"decision": "approve", "decision": "reject"}',
    '{"decision": "approve", "\\u0064ecision": "reject"}',
    '{"decision": "approve", "comment": "a", "comment": "b"}',
    '{"decision": "approve", "comment": 1}',
    '{"decision": "approve", "comment": ["x"]}',
    '{"decision": "approve", "comment": "a\\u0000b"}',
    '{"decision": "approve", "comment": "\\ud800"}',
    '{"decision": "approve", "digest": true}',
    '{"decision": "approve", "digest": "\\u0000"}',
    '{"decision": "approve", "comment": NaN}',
    json.dumps({"decision": "approve", "comment": "x" * 10_001}),
    *(
        json.dumps({"decision": value})
        for value in (
            "approved",
            "Approve",
            "APPROVE",
            "approve ",
            " approve",
            "approve\n",
            "\uff41pprove",
            "аpprove",  # noqa: RUF001 - a Cyrillic letter is the point
            "yes",
            "y",
            "ok",
            "true",
            "1",
            "rejected",
            "deny",
            "",
            True,
            False,
            None,
            1,
            0,
            {},
            [],
            ["approve"],
            {"approve": True},
        )
    ),
]


@pytest.fixture(scope="module", name="asked")
def _asked() -> Approval:
    """The one approval that nothing in this corpus decides."""
    return {}


@pytest.mark.parametrize("body", NO_DECISIONS)
async def test_what_is_no_decision_decides_nothing(placet: Product, asked: Approval, body: str) -> None:
    """Misspelt, missing, doubled, or more than a decision: refused with a reason, and the approval still waits."""
    if not asked:
        asked.update(await placet.paused(await placet.start("asks")))

    answer = await placet.http.post(f"/v1/approvals/{asked['id']}/decisions", content=body)

    problem(answer, 422, "invalid-request")
    assert (await placet.approval(asked["id"]))["status"] == "pending"
    assert (await placet.run(asked["runId"]))["status"] == "paused"


async def test_bytes_that_are_no_text_decide_nothing(placet: Product, pending: Approval) -> None:
    """UTF-16, a byte order mark, a form: only JSON in UTF-8 is read."""
    text = '{"decision": "approve"}'
    for body in (text.encode("utf-16"), text.encode("utf-8-sig"), b'{"decision": "approve\xff"}', b"\x00"):
        answer = await placet.http.post(f"/v1/approvals/{pending['id']}/decisions", content=body)
        problem(answer, 422, "invalid-request")
    form = await placet.http.post(f"/v1/approvals/{pending['id']}/decisions", data={"decision": "approve"})
    problem(form, 422, "invalid-request")
    assert (await placet.approval(pending["id"]))["status"] == "pending"


async def test_the_fields_that_do_not_fit_are_named(placet: Product, pending: Approval) -> None:
    """One entry a field, in words, without the value that was sent."""
    answer = await placet.decide(pending, "swordfish", note="swordfish")

    errors = problem(answer, 422, "invalid-request")["errors"]
    assert [error["field"] for error in errors] == ["decision", "note"]
    assert "swordfish" not in answer.text


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_the_same_decision_again_is_no_error(placet: Product, pending: Approval, decision: str) -> None:
    """A client that has lost the answer asks again, and gets the decision as it was first made."""
    first = await placet.decide(pending, decision, comment="first")

    again = await placet.decide(pending, decision, comment="second")

    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize(("first", "outcome"), [("approve", "approved"), ("reject", "rejected")])
@pytest.mark.parametrize("second", ["approve", "reject"])
async def test_the_second_decider_is_told_who_was_first(
    placet: Product, pending: Approval, first: str, outcome: str, second: str
) -> None:
    """Another person's decision is refused, whichever it is, with the actual outcome and whose it was."""
    async with placet.caller("approver") as ana, placet.caller("approver") as bo:
        taken = await ana.decide(pending, first)
        late = await bo.decide(pending, second)

    told = problem(late, 409, "already-resolved")
    assert (told["outcome"], told["resolvedBy"]) == (outcome, taken.json()["resolvedBy"])
    assert (await placet.approval(pending["id"])) == taken.json()


async def test_a_change_of_mind_comes_too_late(placet: Product, pending: Approval) -> None:
    """A decision is final, for the one who has made it too."""
    await placet.reject(pending)

    answer = await placet.decide(pending, "approve")

    assert problem(answer, 409, "already-resolved")["outcome"] == "rejected"


async def test_what_was_shown_is_what_is_decided_on(placet: Product, pending: Approval) -> None:
    """With the digest of something else nothing is decided; with the right one it is."""
    for other in ("sha256:" + "0" * 64, "", pending["digest"].upper(), pending["digest"] + " "):
        problem(await placet.decide(pending, "approve", digest=other), 409, "content-changed")
    assert (await placet.approval(pending["id"]))["status"] == "pending"

    await placet.approve(pending, digest=pending["digest"])


async def test_what_was_decided_outweighs_what_was_shown(placet: Product, pending: Approval) -> None:
    """Once it is decided, a decision with a wrong digest is told the outcome."""
    await placet.approve(pending)

    answer = await placet.decide(pending, "reject", digest="sha256:0")

    assert problem(answer, 409, "already-resolved")["outcome"] == "approved"


@pytest.mark.parametrize("id", [NOWHERE, "1", "not-a-uuid", "%00", "..%2fx", "' OR true --", "\N{SNOWMAN}"])
async def test_what_is_not_there_cannot_be_decided(placet: Product, id: str) -> None:
    """An unknown id and one that is no id get the same answer."""
    problem(await placet.http.get(f"/v1/approvals/{id}"), 404, "not-found")
    problem(await placet.http.post(f"/v1/approvals/{id}/decisions", json={"decision": "approve"}), 404, "not-found")
