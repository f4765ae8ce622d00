"""Races for one approval: people against people, people against the clock, and the clock against itself.

Concurrent votes were lost (Budibase PR 19687); a left-over timer resumed again (kestra#18507); the timeout raced the
human (airflow#55054); the loser of a race was shown its own wish as the outcome (Inferable, on Slack).
"""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from kit.lessons import done
from kit.product import Product
from placet_approval.deps import Deps
from placet_approval.domain import AlreadyResolved, Approval, Decision, Verdict
from placet_approval.handlers import decisions

pytestmark = pytest.mark.asyncio(loop_scope="module")

CROWD = 24
VERDICTS: tuple[Verdict, Verdict] = ("approve", "reject")


async def test_of_many_deciders_one_wins_and_all_are_told_who(placet: Product) -> None:
    """24 people decide at once over the API, half of them against the other half."""
    run_id = await placet.start("one-gate")
    approval = await placet.paused(run_id)
    keys = [await placet.key("approver", f"person-{n}") for n in range(CROWD)]

    async def decide(n: int) -> tuple[int, dict[str, str]]:
        async with placet.running.http(keys[n]) as http:
            answer = await http.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": VERDICTS[n % 2]})
            return answer.status_code, answer.json()

    answers = await asyncio.gather(*(decide(n) for n in range(CROWD)))

    found = await placet.approval(approval["id"])
    assert Counter(status for status, _ in answers) == {200: 1, 409: CROWD - 1}
    for status, body in answers:
        outcome = body["status"] if status == 200 else body["outcome"]
        assert (outcome, body["resolvedBy"]) == (found["status"], found["resolvedBy"])
    run = await placet.ended(run_id)
    assert run["status"] == {"approved": "completed", "rejected": "rejected"}[found["status"]]
    assert ("effect" in done[run_id]) == (found["status"] == "approved")


async def test_replicas_agree_on_the_winner(placet: Product) -> None:
    """Deciders that no process gathers into one batch meet in the database: one of them wins there too."""
    deps = _deps(placet)
    asked = [await placet.paused(await placet.start("one-gate")) for _ in range(5)]

    async def decide(id: str, n: int) -> object:
        [result] = await decisions.decide(deps, [Decision(UUID(id), VERDICTS[n % 2], f"key:p{n}", "api")])
        return result

    for approval in asked:
        results = await asyncio.gather(*(decide(approval["id"], n) for n in range(CROWD)))
        won = [result for result in results if isinstance(result, Approval)]
        lost = [result for result in results if isinstance(result, AlreadyResolved)]
        assert (len(won), len(lost)) == (1, CROWD - 1)
        assert {(each.status, each.resolved_by) for each in lost} == {(won[0].status, won[0].resolved_by)}
        await placet.ended(approval["runId"])


async def test_the_same_person_twice_at_once_is_one_decision(placet: Product) -> None:
    """A double click is answered twice with the same."""
    approval = await placet.paused(await placet.start("one-gate"))

    answers = await asyncio.gather(*(placet.decide(approval, "approve") for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


async def test_the_clock_and_a_person_do_not_both_win(placet: Product) -> None:
    """Decided as it expires, an approval is one or the other, and whoever asks is told which."""
    deps = _deps(placet)
    asked = [await placet.paused(await placet.start("one-gate", 3600.0)) for _ in range(20)]

    async def race(approval: dict[str, str]) -> tuple[dict[str, str], int, str]:
        due = "UPDATE approvals SET expires_at = now() WHERE id = $1::text::uuid AND status = 'pending'"
        answer, *_ = await asyncio.gather(
            placet.decide(approval, "approve"),
            placet.running.query("approval", due, approval["id"]),
            decisions.expire(deps),
            decisions.expire(deps),
        )
        body = answer.json()
        return approval, answer.status_code, body["status"] if answer.status_code == 200 else body["outcome"]

    for approval, status, told in await asyncio.gather(*(race(approval) for approval in asked)):
        run = await placet.ended(approval["runId"])
        found = await placet.approval(approval["id"])
        assert (status, told) in [(200, "approved"), (409, "expired")]
        assert found["status"] == told
        assert run["status"] == {"approved": "completed", "expired": "rejected"}[told]
        assert ("effect" in done[run["id"]]) == (told == "approved")


async def test_a_timer_that_is_left_over_does_nothing(placet: Product) -> None:
    """A deadline that passes after the decision ends nothing, resumes nothing, and tells nobody."""
    run_id = await placet.start("one-gate", 1.0)
    approval = await placet.paused(run_id)
    await placet.approve(approval)
    run = await placet.ended(run_id)
    resolved = await placet.approval(approval["id"])

    other = await placet.paused(await placet.start("one-gate", 1.0))  # its deadline is later than the first one's
    assert (await placet.ended(other["runId"]))["status"] == "rejected"
    await decisions.expire(_deps(placet))

    assert await placet.run(run_id) == run
    assert await placet.approval(approval["id"]) == resolved
    assert done[run_id] == ["entered", "entered", "effect"]


async def test_time_runs_out_once(placet: Product) -> None:
    """However many replicas look at the clock at once, an approval expires once."""
    deps = _deps(placet)
    run_id = await placet.start("one-gate", 3600.0)
    approval = await placet.paused(run_id)
    due = "UPDATE approvals SET expires_at = now() WHERE id = $1::text::uuid"
    await placet.running.query("approval", due, approval["id"])

    await asyncio.gather(*(decisions.expire(deps) for _ in range(10)))

    run = await placet.ended(run_id)
    assert (run["status"], done[run_id]) == ("rejected", ["entered"])
    assert await placet.running.query("executor", "SELECT * FROM quarantine") == []


async def test_a_retry_leaves_the_decision_alone(placet: Product) -> None:
    """A handler that stumbles behind its gate finds the same approval each time, and nobody is asked again."""
    run_id = await placet.start("stumbles-after")
    approval = await placet.paused(run_id)
    await placet.approve(approval, comment="go")
    resolved = await placet.approval(approval["id"])

    run = await placet.ended(run_id)

    assert (run["status"], run["attempt"], run["output"]) == ("completed", 3, ["approved", "key:admin", "go"])
    assert done[run_id] == ["approved"] * 3
    assert await placet.approval(approval["id"]) == resolved
    assert len(run["approvals"]) == 1


async def test_what_was_decided_cannot_be_changed_by_anybody(placet: Product) -> None:
    """Not by SQL either: the database refuses."""
    approval = await placet.paused(await placet.start("one-gate"))
    await placet.reject(approval)

    for change in ("status = 'approved'", "comment = 'x'", "resolved_by = 'key:x'", "status = 'pending'"):
        with pytest.raises(Exception, match="is already rejected"):
            await placet.running.query(
                "approval", f"UPDATE approvals SET {change} WHERE id = $1::text::uuid", approval["id"]
            )


def _deps(placet: Product) -> Deps:
    assert placet.running._approval is not None
    return placet.running._approval.deps
