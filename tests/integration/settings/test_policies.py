"""Policies, as an admin reads, writes, tests and explains them in the browser."""

import json
from typing import Any

import pytest

from kit.browser import Browser
from kit.office import Office

pytestmark = pytest.mark.asyncio(loop_scope="module")


def draft(name: str, workflow: str = "none", **facts: Any) -> str:
    return json.dumps({"name": name, "match": {"workflow": workflow}, **facts})


def stages(*approvers: str, required: int = 1, **facts: Any) -> list[dict[str, Any]]:
    return [{"quorums": [{"approvers": approvers, "required": required}], **facts}]


async def versions(office: Office, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await office.placet.http.get(f"/v1/policies/{name}")).json()["items"]
    return found


async def test_no_policy_yet(eve: Browser) -> None:
    """The page says what that means."""
    assert "No policy is in force" in (await eve.page("/settings/policies")).text


async def test_a_policy_from_its_making_to_its_end(office: Office, eve: Browser) -> None:
    """In words, with every version, and who put it in force; it can be put in force again as it was."""
    text = draft("life", stages=stages("group:finance", required=2), separateRequester=True)
    page = await eve.submit("/settings/new-policy", policy=text, version="0")
    assert "Version 1 of life is in force." in page.text
    assert "2 of group:finance" in page.text
    assert "not whoever asked" in page.text

    edit = await eve.page("/settings/policies/life/edit")
    assert json.loads(edit.value("policy")) == json.loads(text)
    assert edit.value("version") == "1"
    text = draft("life", stages=stages("user:ana"))
    page = await eve.submit("/settings/policies/life/edit", policy=text, version="1")
    assert "What version 2 changed" in page.text
    assert [(each["version"], each["createdBy"], each["inForce"]) for each in await versions(office, "life")] == [
        (2, "user:eve", True),
        (1, "user:eve", False),
    ]
    assert "2 of group:finance" in (await eve.page("/settings/policies/life?version=1")).text
    assert (await eve.get("/settings/policies/life?version=9")).status_code == 404

    asked = await eve.page("/settings/policies/life/end")
    assert "1 of user:ana" in asked.text
    page = await eve.submit("/settings/policies/life/end")
    assert "not in force" in page.text
    assert "Not in force any more" in (await eve.page("/settings/policies")).text
    assert (await eve.get("/settings/policies/life/end")).status_code == 404

    again = await eve.page("/settings/policies/life/edit?version=1")
    assert again.value("version") == "0"
    await eve.submit("/settings/policies/life/edit", policy=again.value("policy"), version="0")
    assert [each["version"] for each in await versions(office, "life") if each["inForce"]] == [3]
    await eve.submit("/settings/policies/life/end")


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("{", "", "Invalid JSON"),
        (draft("bad", stages=[{"quorums": []}]), "stages.0.quorums", "needs at least 1"),
        (draft("bad", aproveWhen="true"), "aproveWhen", "there is no such field"),
        (draft("bad", approveWhen="input.amount >"), "approveWhen", "Syntax error"),
        (draft("bad", stages=stages("finance")), "stages.0.quorums.0.approvers.0", "an approver is user:<handle>"),
    ],
)
async def test_what_does_not_fit_is_said_and_what_was_typed_stays(
    office: Office, eve: Browser, text: str, where: str, why: str
) -> None:
    """Where it is; nothing comes in force. Whether one puts it in force, or only has it said in words."""
    for more in ({}, {"do": "preview"}):
        page = await eve.submit("/settings/new-policy", 422, policy=text, version="0", **more)

        [told] = page.of("div", id="problems")
        assert where in told.text
        assert why in told.text
        assert page.value("policy") == text
        assert page.one("textarea", name="policy")["aria-invalid"] == "true"
    assert (await office.placet.http.get("/v1/policies/bad")).status_code == 404


async def test_a_preview_changes_nothing(office: Office, eve: Browser) -> None:
    """It says the draft in words, and what it would change."""
    await eve.submit("/settings/new-policy", policy=draft("seen", stages=stages("user:ana")), version="0")
    text = draft("seen", stages=stages("user:ana", "user:bo", required=2))

    page = await eve.submit("/settings/policies/seen/edit", 200, policy=text, version="1", do="preview")

    assert "2 of user:ana, user:bo" in page.text
    assert "What would change" in page.text
    assert page.value("policy") == text
    assert len(await versions(office, "seen")) == 1
    await eve.submit("/settings/policies/seen/end")


async def test_nobody_overwrites_what_they_have_not_seen(office: Office, eve: Browser) -> None:
    """What came in between is not lost, and neither is what was typed."""
    await eve.submit("/settings/new-policy", policy=draft("race", stages=stages("user:ana")), version="0")
    mine, theirs = draft("race", rejections=2), draft("race", rejections=3)
    edit = await eve.page("/settings/policies/race/edit")
    await office.placet.http.post("/v1/policies", json={"policy": json.loads(theirs)})

    page = await eve.submit("/settings/policies/race/edit", 409, policy=mine, version=edit.value("version"))

    assert "the policy race is at version 2 by now" in page.text
    assert page.value("policy") == mine
    assert '"rejections": 3' in page.text  # beside it, what would change
    assert (await versions(office, "race"))[0]["policy"]["rejections"] == 3
    for version in ("", "x", "-1", "99999999999999"):
        await eve.submit("/settings/policies/race/edit", 409, policy=mine, version=version)
    again = await eve.submit("/settings/policies/race/edit", policy=mine, version=page.value("version"))
    assert "Version 3 of race is in force." in again.text
    taken = await eve.submit("/settings/new-policy", 409, policy=mine, version="0")
    assert "the policy race is at version 3" in taken.text
    other = await eve.submit("/settings/policies/race/edit", 422, policy=draft("another"), version="3")
    assert "stays race" in other.text
    await eve.submit("/settings/policies/race/end")


async def test_a_draft_on_approvals_of_the_past(office: Office, eve: Browser) -> None:
    """What it would have let through comes first; it changes nothing."""
    none = await eve.submit("/settings/policy-tests", 200, policy=draft("try", "never-run"))
    assert "No approval that it is about has been decided yet." in none.text
    approved, rejected = await office.ask("plain", amount=5), await office.ask("open-to-rules", amount=5)
    await office.ana.approve(approved)
    await office.ana.reject(rejected)

    page = await eve.submit(
        "/settings/policy-tests", 200, policy=draft("try", "asks", approveWhen="input.amount < 10"), limit="100"
    )
    same = await eve.submit("/settings/policy-tests", 200, policy=draft("try", "asks"), limit="100")

    assert "1 of 2 decided approvals would have gone otherwise" in page.text
    [row] = page.of("tbody")
    assert row.text.startswith("Would let through")
    assert page.one("a", href=f"/approvals/{rejected['id']}").text == "asks"
    assert "None of the 2 decided approvals" in same.text
    assert (await office.placet.http.get("/v1/policies/try")).status_code == 404


async def test_a_draft_on_an_input(eve: Browser) -> None:
    """What would be asked, and how each condition came out; other policies about the same workflow are asked too."""
    by_amount = stages("group:finance", when="input.amount > 1000")
    await eve.submit("/settings/new-policy", policy=draft("beside", "refund", stages=stages("user:bo")), version="0")

    async def asked(input: str, **more: str) -> str:
        text = draft("try", "refund", stages=by_amount, approveWhen="input.vip")
        page = await eve.submit("/settings/policy-tests", 200, policy=text, input=input, **more)
        return next(each.text for each in page.of("section") if each.text.startswith("On this input"))

    much, little = await asked('{"amount": 5000, "vip": false}'), await asked('{"amount": 5, "vip": false}')

    assert "the draft try: 1 of group:finance" in much
    assert "the policy beside (version 1): 1 of user:bo" in much
    assert "input.amount > 1000 true" in much
    assert "group:finance" not in little.partition("Condition")[0]
    assert "input.amount > 1000 false" in little
    assert "cannot be told there is no field" in await asked('{"amount": 5}')
    assert "nobody, as the rule of the draft try approves" in await asked('{"amount": 5000, "vip": true}')
    assert "This policy is not about that workflow" in await asked("{}", workflow="deploy")
    await eve.submit("/settings/policies/beside/end")


@pytest.mark.parametrize(
    ("form", "field"), [({"input": "{"}, "input"), ({"limit": "0"}, "limit"), ({"version": "two"}, "version")]
)
async def test_what_cannot_be_tested_is_said(eve: Browser, form: dict[str, str], field: str) -> None:
    """Beside its field."""
    page = await eve.submit("/settings/policy-tests", 422, **{"policy": draft("try"), **form})

    assert list(page.errors) == [field]
    assert page.value(field) == form[field]


async def test_a_policy_in_force_is_tested_from_its_page(eve: Browser) -> None:
    """The form has its text."""
    await eve.submit("/settings/new-policy", policy=draft("tested", rejections=2), version="0")

    page = await eve.page("/settings/policy-tests?policy=tested")

    assert json.loads(page.value("policy")) == json.loads(draft("tested", rejections=2))
    assert (await eve.get("/settings/policy-tests?policy=never")).status_code == 404
    await eve.submit("/settings/policies/tested/end")


async def test_who_may_decide_and_why_not(office: Office, eve: Browser) -> None:
    """One, in words and as the API says it; or everybody who has a role to decide with."""
    approval = await office.ask("stages")

    everybody = await eve.page(f"/settings/explain?approval={approval['id']}")
    rows = {row.text.split()[0]: row.text for row in everybody.of("tr")[1:]}
    cy = await eve.page(f"/settings/explain?approval=http://localhost/approvals/{approval['id']}&actor=user:cy")
    bare = await eve.page(f"/settings/explain?approval={approval['id']}&actor=ana")

    assert rows["ana"] == "ana may decide can decide"
    assert rows["cy"] == "cy may not it is not their turn yet: first it needs group:finance"
    assert rows["eve"].startswith("eve may not eve is not asked")
    assert "1 of group:finance (stage 1 of 2, money)" in everybody.text
    assert "It is not their turn yet" in cy.text
    assert "not-yet" in cy.text
    assert "ana may decide" in bare.text

    await office.ana.approve(approval)
    await office.cy.approve(approval)
    ended = await eve.page(f"/settings/explain?approval={approval['id']}&actor=user:bo")
    assert "It is approved by key:cy-" in ended.text


@pytest.mark.parametrize(
    ("approval", "status", "why"),
    [
        ("nonsense", 422, "The id of an approval, or the address of its page."),
        ("01900000-0000-7000-8000-000000000000", 404, "There is no approval 01900000-0000-7000-8000-000000000000."),
    ],
)
async def test_an_approval_that_is_not_there_is_said(eve: Browser, approval: str, status: int, why: str) -> None:
    """Beside the field."""
    page = await eve.page(f"/settings/explain?approval={approval}", status)

    assert page.errors == {"approval": why}
    assert page.value("approval") == approval
