"""Votes, and what is done to open approvals, are in the audit."""

from datetime import timedelta

import asyncpg
import pytest

from kit.office import Office
from placet_approval.domain import Finding
from placet_approval.handlers import verifying
from placet_approval.store import retention
from placet_runtime.receipts import Verifier, public_key

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def findings(office: Office) -> list[Finding]:
    """What an auditor finds now."""
    verifier = Verifier(public_key(office.placet.running._signing_key))
    async with office.placet.running.connection() as conn, conn.transaction(isolation="repeatable_read"):
        found = verifying.verify(conn, verifier, [], timedelta(minutes=5), verifying.Report())
        return [finding async for finding in found]


async def test_each_vote_has_its_entry(office: Office) -> None:
    """Who voted what, for whom; one that is put in by hand is found."""
    approval = await office.ask("two-of-three")
    await office.ana.approve(approval, comment="fine")
    assert await findings(office) == []

    async with office.placet.running.connection() as conn:
        [noted] = await conn.fetch(
            """
            SELECT e.* FROM audit AS a, json_to_recordset(a.entries)
                   AS e (kind text, approval uuid, by text, verdict text, comment text)
             WHERE e.kind = 'vote' AND e.approval = $1
            """,
            approval["id"],
        )
        assert noted["by"].startswith("key:ana-")
        assert (noted["verdict"], noted["comment"]) == ("approve", "fine")
        forged = conn.transaction()
        await forged.start()
        await conn.execute(
            """
            INSERT INTO votes (approval_id, position, subject, actor, verdict, standing, channel)
            VALUES ($1, 1, 'mallory', 'user:bo', 'approve', '[]', 'api')
            """,
            approval["id"],
        )
        verifier = Verifier(public_key(office.placet.running._signing_key))
        found = [f async for f in verifying.verify(conn, verifier, [], timedelta(minutes=5), verifying.Report())]
        await forged.rollback()
    assert [(f.problem, f.where) for f in found] == [("missing entry", f"vote {approval['id']}/1")]


async def test_votes_go_with_their_run_and_with_nothing_else(office: Office) -> None:
    """Retention deletes them, the audit says so; by another hand they stay."""
    approval = await office.ask("two-of-three")
    await office.ana.approve(approval)
    await office.bo.approve(approval)
    await office.placet.ended(approval["runId"])

    async with office.placet.running.connection() as conn:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await conn.execute("DELETE FROM votes WHERE approval_id = $1", approval["id"])
        async with conn.transaction():
            await conn.execute("INSERT INTO deleted_runs (id) VALUES ($1)", approval["runId"])
            await retention.delete_decisions(conn, [approval["runId"]])
            await retention.delete(conn, [approval["runId"]])
        assert await conn.fetchval("SELECT count(*) FROM votes WHERE approval_id = $1", approval["id"]) == 0
    assert await findings(office) == []


async def test_who_people_are_and_what_is_asked_of_them_is_noted(office: Office) -> None:
    """Users, groups, absences and policies, as they change."""
    http = office.placet.http
    made = await http.post("/v1/users", json={"handle": "zoe", "roles": ["approver"], "emails": ["zoe@example.com"]})
    assert made.status_code == 201, made.text
    assert (await http.post("/v1/groups", json={"name": "auditors", "members": ["zoe"]})).status_code == 201
    assert (await http.patch("/v1/groups/auditors", json={"members": []})).is_success
    assert (await http.delete("/v1/groups/auditors")).is_success
    policy = {"name": "noted", "match": {"workflow": "nothing"}}
    assert (await http.post("/v1/policies", json={"policy": policy})).is_success
    assert (await http.delete("/v1/policies/noted")).is_success
    absence = {"principal": "user:ana", "delegate": "user:zoe"}
    times = {"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2036-01-02T00:00:00Z"}
    absent = await http.post("/v1/delegations", json={**absence, **times})
    assert absent.is_success, absent.text
    assert (await http.delete(f"/v1/delegations/{absent.json()['id']}")).is_success

    async with office.placet.running.connection() as conn:
        rows = await conn.fetch("SELECT e ->> 'kind' AS kind FROM audit AS a, json_array_elements(a.entries) AS e")
    assert {row["kind"] for row in rows} >= {
        "user.put", "user.linked", "group.joined", "group.left", "group.deleted", "policy.made", "policy.ended",
        "delegation.made", "delegation.ended",
    }  # fmt: skip
    assert await findings(office) == []
