"""Policies of the deployment, explanations, absences, time: what operators and those who are asked work with."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kit.office import Office
from kit.people import somebody
from kit.product import problem
from kit.waiting import eventually
from placet.views import ApprovalView
from placet_approval.cli import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

FINANCE = {"quorums": [{"approvers": ["group:finance"]}]}


async def put(office: Office, **policy: Any) -> dict[str, Any]:
    answer = await office.placet.http.post("/v1/policies", json={"policy": policy})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def end(office: Office, name: str) -> None:
    assert (await office.placet.http.delete(f"/v1/policies/{name}")).status_code == 200


async def test_every_version_of_a_policy_is_kept(office: Office) -> None:
    """The same again is no new version; what is not in force any more says who ended it."""
    nowhere = {"workflow": "nowhere"}
    first = await put(office, name="versions", match=nowhere, stages=[FINANCE])
    same = await put(office, name="versions", match=nowhere, stages=[FINANCE])
    second = await put(office, name="versions", match=nowhere, rejections=2, stages=[FINANCE])
    stale = {"policy": {"name": "versions"}, "version": 1}
    problem(await office.placet.http.post("/v1/policies", json=stale), 409, "policy-changed")
    await end(office, "versions")

    assert (first["version"], same["version"], second["version"]) == (1, 1, 2)
    versions = (await office.placet.http.get("/v1/policies/versions")).json()["items"]
    assert [(each["version"], each["inForce"], each["endedBy"]) for each in versions] == [
        (2, False, "key:admin"),
        (1, False, "key:admin"),
    ]
    problem(await office.placet.http.delete("/v1/policies/versions"), 404, "not-found")


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"approveWhen": "input.amount <"}, "approveWhen"),
        ({"stages": [FINANCE | {"when": "("}]}, "stages.0.when"),
        ({"stages": [{"quorums": [{"approvers": ["user:ana"], "required": 2}]}]}, "can never be had"),
        ({"separateRequestor": True}, "separateRequestor"),
        ({"match": {"workflwo": "asks"}}, "workflwo"),
        ({"name": "two words"}, "name"),
    ],
)
async def test_a_policy_that_cannot_work_is_refused(office: Office, policy: dict[str, Any], reason: str) -> None:
    """When it is written, not when an approval needs it."""
    answer = await office.placet.http.post("/v1/policies", json={"policy": {"name": "wrong", **policy}})

    assert reason in problem(answer, 422, "invalid-request")["detail"]


async def test_the_deployment_asks_on_top_of_the_author(office: Office) -> None:
    """Both must be met; one person who is asked by both is enough."""
    await put(office, name="large", match={"workflow": "asks"}, stages=[FINANCE | {"when": "input.amount > 1000"}])
    try:
        large, small = await office.ask("two-of-three", None, amount=5000), await office.ask("plain", None, amount=5)
        await office.cy.approve(small)
        await office.cy.approve(large)
        await office.ana.approve(large)
        both = await office.placet.approval(large["id"])
        alone = await office.ask("plain", None, amount=5000)
        await office.ana.approve(alone)
    finally:
        await end(office, "large")
    assert (both["status"], (await office.placet.approval(small["id"]))["status"]) == ("approved", "approved")
    assert (await office.placet.approval(alone["id"]))["status"] == "approved"


async def test_a_deployments_rule_needs_the_authors_leave(office: Office) -> None:
    """Who asked for a person gets one."""
    await put(office, name="small", match={"workflow": "asks"}, approveWhen="input.amount < 10")
    try:
        asked = await office.ask("plain", None, amount=5)
        run = await office.placet.ended(await office.run("open-to-rules", None, amount=5))
    finally:
        await end(office, "small")
    approval = await office.placet.approval(run["approvals"][0]["id"])
    assert (asked["status"], approval["resolvedBy"]) == ("pending", "rule:policy:small@1")


async def test_a_draft_is_tried_on_the_past(office: Office) -> None:
    """First comes what it would have let through that a person rejected."""
    rejected, approved = await office.ask("plain", None, amount=7), await office.ask("open-to-rules", None, amount=7)
    also = await office.ask("open-to-rules", None, amount=7)
    await office.cy.reject(rejected)
    await office.cy.approve(approved)
    await office.cy.reject(also)

    draft = {"name": "draft", "match": {"workflow": "asks"}, "approveWhen": "input.amount == 7"}
    found = (await office.placet.http.post("/v1/policy-tests", json={"policy": draft})).json()["differences"]
    assert [(each["kind"], each["approvalId"]) for each in found] == [
        ("would-let-through", also["id"]),
        ("would-approve-by-rule", approved["id"]),
    ]
    strict = {"name": "draft", "match": {"workflow": "asks"}, "stages": [FINANCE | {"when": "input.amount == 7"}]}
    found = (await office.placet.http.post("/v1/policy-tests", json={"policy": strict})).json()["differences"]
    kinds = {each["approvalId"]: each["kind"] for each in found}
    assert kinds[approved["id"]] == "would-ask-more"
    assert (await office.placet.http.get("/v1/policies")).json()["items"] == []


async def test_policies_from_the_command_line(office: Office, tmp_path: Path) -> None:
    """Listed, shown as YAML that can be tried again, and tried; exit 3 where a draft lets through what was rejected."""
    rejected = await office.ask("open-to-rules", None, amount=3)
    await office.cy.reject(rejected)
    await put(office, name="shown", match={"workflow": "asks"}, stages=[FINANCE | {"when": "input.amount == 3"}])
    try:
        listed = await _cli(office, "list")
        shown = await _cli(office, "show", "shown")
    finally:
        await end(office, "shown")
    draft = tmp_path / "draft.yaml"
    draft.write_text(shown)
    assert listed.startswith("shown ")
    assert "  - approvers:\n    - group:finance\n" in shown
    await _cli(office, "test", str(draft))
    draft.write_text("name: draft\nmatch: {workflow: asks}\napproveWhen: input.amount == 3\n")
    tried = await _cli(office, "test", str(draft), code=3)
    assert tried.startswith(f"would-let-through  {rejected['id']}")
    for wrong in ("name: draft\naproveWhen: 'true'\n", "name: draft\napproveWhen: '('\n", "name: [\n"):
        draft.write_text(wrong)
        await _cli(office, "test", str(draft), code=2)
    await _cli(office, "show", "none-such", code=1)


async def test_policies_from_a_file(office: Office, tmp_path: Path) -> None:
    """With users and groups in one file: shown first, then put in force, and ended once the file has them no more."""
    file = tmp_path / "deployment.yaml"
    spec = "{match: {workflow: none}, stages: [{quorums: [{approvers: [group:auditors], required: 2}]}]}"
    file.write_text(f"groups: {{auditors: {{members: [ana, bo]}}}}\npolicies:\n  audited: {spec}\n")

    dry = await _cli(office, str(file), "--dry-run", command="apply")
    assert (await office.placet.http.get("/v1/policies")).json()["items"] == []
    wet = await _cli(office, str(file), command="apply")
    assert "+ policy audited" in dry
    assert "+ policy audited" in wet
    assert [each["name"] for each in (await office.placet.http.get("/v1/policies")).json()["items"]] == ["audited"]
    assert "nothing to change" in await _cli(office, str(file), command="apply")
    file.write_text("policies: {}\n")
    assert "- policy audited" in await _cli(office, str(file), "--prune", command="apply")
    for wrong in ("policies: {x: {stagse: []}}\n", "policies: {x: {name: y, rejections: 0}}\n"):
        file.write_text(wrong)
        await _cli(office, str(file), code=2, command="apply")


async def _cli(office: Office, *arguments: str, code: int = 0, command: str = "policy") -> str:
    """What a command prints."""
    environment = {"PLACET_DATABASE_URL": office.placet.running.database_url, "TERM": "dumb", "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, commands, [command, *arguments], env=environment)
    assert result.exit_code == code, result.output
    return result.output


async def test_an_explanation_goes_by_the_role_that_deciding_goes_by(office: Office) -> None:
    """Of who is named without it, and of a key that acts with less than its owner may; as deciding answers."""
    approval = await office.ask("group", by="eve")
    path = f"/v1/approvals/{approval['id']}"
    async with somebody(office.placet, "viv", "finance", role="viewer") as viv:
        mine = (await viv.http.get(f"{path}/explain")).json()
        assert (mine["mayDecide"], mine["reason"]) == (False, "no-role")
        assert mine["why"] == "deciding needs the role approver"
        problem(await viv.http.post(f"{path}/decisions", json={"decision": "approve"}), 403, "forbidden")
    made = await office.placet.http.post("/v1/keys", json={"name": "ana-reads", "role": "viewer", "owner": "ana"})
    async with office.placet.running.http(made.json()["key"]) as http:
        for of in ("", "?actor=key:ana-reads"):
            assert (await http.get(f"{path}/explain{of}")).json()["reason"] == "no-role"
        assert (await http.get(f"{path}/explain?actor=user:ana")).json()["mayDecide"]
        problem(await http.post(f"{path}/decisions", json={"decision": "approve"}), 403, "forbidden")


async def test_an_explanation_says_who_and_why(office: Office) -> None:
    """Of whoever asks, or of anybody."""
    approval = await office.ask("stages", by="eve")

    async def explain(actor: str | None = None) -> dict[str, Any]:
        query = {} if actor is None else {"actor": actor}
        answer = await office.ana.http.get(f"/v1/approvals/{approval['id']}/explain", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    mine = await explain()
    assert (mine["person"], mine["mayDecide"], mine["why"]) == ("ana", True, "can decide")
    assert mine["progress"][0] | {"missing": mine["progress"][0]["missing"]} == mine["progress"][0]
    assert (mine["progress"][0]["name"], mine["progress"][0]["missing"]) == (
        "money",
        [{"approvers": ["group:finance"], "count": 1}],
    )
    assert (await explain("user:cy"))["reason"] == "not-yet"
    assert (await explain("ana@example.com"))["person"] == "ana"
    assert (await explain("user:dee"))["reason"] == "not-an-approver"
    assert (await explain("user:eve"))["reason"] == "requester"
    assert (await explain("key:nobody"))["reason"] == "owner-unknown"
    await office.ana.reject(approval)
    assert (await explain())["reason"] == "already-resolved"
    answer = await office.ana.http.get("/v1/approvals/00000000-0000-0000-0000-000000000000/explain")
    problem(answer, 404, "not-found")


async def test_somebody_stands_in_during_an_absence(office: Office) -> None:
    """For them, once, and it says so; when it is over, no more."""
    now = datetime.now(UTC)
    body = {
        "principal": "user:cy",
        "delegate": "user:dee",
        "startsAt": (now - timedelta(days=1)).isoformat(),
        "endsAt": (now + timedelta(days=1)).isoformat(),
    }
    problem(await office.ana.http.post("/v1/delegations", json=body), 403, "not-allowed")
    made = await office.cy.http.post("/v1/delegations", json=body)
    assert made.status_code == 201, made.text
    approval = await office.ask("two-of-three")
    told = await office.dee.http.get(f"/v1/approvals/{approval['id']}/explain")
    assert (told.json()["mayDecide"], told.json()["onBehalfOf"]) == (True, "cy")

    voted = (await office.dee.decide(approval, "approve")).json()
    [vote] = [entry for entry in voted["timeline"] if entry["kind"] == "vote"]
    assert vote["onBehalfOf"] == "cy"
    problem(await office.cy.decide(approval, "approve"), 409, "already-voted")
    listed = (await office.dee.http.get("/v1/delegations")).json()["items"]
    assert [each["id"] for each in listed] == [made.json()["id"]]
    assert (await office.cy.http.delete(f"/v1/delegations/{made.json()['id']}")).status_code == 200
    other = await office.ask("two-of-three")
    problem(await office.dee.decide(other, "approve"), 403, "not-allowed")
    for wrong in ({"delegate": "user:cy"}, {"delegate": "user:nobody"}, {"endsAt": body["startsAt"]}):
        problem(await office.cy.http.post("/v1/delegations", json=body | wrong), 422, "invalid-request")


async def test_a_reminder_is_sent_once(office: Office) -> None:
    """However many replicas look at the clock, and not once it is decided."""
    approval = await office.ask("reminded")

    async def reminded() -> bool:
        entries = (await office.placet.approval(approval["id"]))["timeline"]
        return [entry["kind"] for entry in entries].count("reminded") == 2

    await eventually(reminded)
    rows = await office.placet.running.query(
        "approval", "SELECT done_at FROM moments WHERE approval_id = $1::text::uuid", approval["id"]
    )
    assert all(row["done_at"] is not None for row in rows)
    sent = await office.placet.running.query(
        "notifier", "SELECT id FROM deliveries WHERE approval_id = $1::text::uuid", approval["id"]
    )
    assert len(sent) == 3  # as it opened, and two reminders


async def test_the_clients_view_shows_what_is_missing(office: Office) -> None:
    """As the API tells it."""
    approval = await office.ask("two-of-three")

    seen = ApprovalView.model_validate((await office.bo.decide(approval, "approve", revision=1)).json())

    assert (seen.status, seen.revision, seen.progress[0].missing[0].count) == ("pending", 1, 1)
    assert [(entry.kind, entry.verdict) for entry in seen.timeline] == [("opened", None), ("vote", "approve")]


async def test_a_deadline_counts_working_hours(office: Office) -> None:
    """An hour of Mondays ends on a Monday."""
    approval = await office.ask("office")

    assert datetime.fromisoformat(approval["expiresAt"]).weekday() == 0
