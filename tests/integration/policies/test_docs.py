"""What docs/policies.md says is so: its workflows run, in a deployment with people in it."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import pytest_asyncio
import yaml

from kit.people import somebody
from kit.product import Product, problem, product
from placet import Placet
from placet.testing import Trial
from placet_approval.policy.authoriser import Reason
from placet_approval.policy.matching import DeploymentPolicy

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def bodies() -> list[dict[str, Any]]:
    """What the page's calls send."""
    return [json.loads(found) for found in re.findall(r"--json '(.*?)'", PAGE, re.DOTALL)]


module = ModuleType("policies_page")
for block in blocks("python"):
    exec(compile(block, "docs/policies.md", "exec"), module.__dict__)
app: Placet = module.__dict__["app"]

PEOPLE = {
    "ana": [],
    "bo": [],
    "cy": ["finance"],
    "dee": ["finance", "legal"],
    "eve": ["heads"],
    "flo": ["heads"],
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def people(placet: Product) -> AsyncIterator[dict[str, Product]]:
    async with AsyncExitStack() as stack:
        yield {
            handle: await stack.enter_async_context(somebody(placet, handle, *groups))
            for handle, groups in PEOPLE.items()
        }


# Who approves, one after the other: all but the last leave it pending, and then it is approved.
APPROVED_BY = [
    ("one-approver", {}, ["eve"]),
    ("somebody-in-finance", {}, ["cy"]),
    ("somebody-in-finance", {}, ["ana"]),
    ("four-eyes", {}, ["cy", "dee"]),
    ("stages", {}, ["bo", "dee", "cy", "eve", "flo"]),
    ("by-amount", {"amount": 5000}, ["ana", "cy"]),
    ("by-amount", {"amount": 50}, ["ana"]),
    ("by-amount", {}, ["ana", "cy"]),
    ("in-time", {}, ["ana", "bo"]),
]


@pytest.mark.parametrize(("workflow", "input", "approvers"), APPROVED_BY)
async def test_an_example_is_approved_by_whom_it_asks(
    placet: Product, people: dict[str, Product], workflow: str, input: dict[str, Any], approvers: list[str]
) -> None:
    """By those and no fewer."""
    approval = await placet.paused(await placet.start(workflow, input))
    for handle in approvers:
        assert (await placet.approval(approval["id"]))["status"] == "pending"
        await people[handle].approve(approval)

    assert (await placet.ended(approval["runId"]))["output"] == "refunded"


async def test_each_example_is_there() -> None:
    """No workflow of the page is left out above."""
    assert {name for name, _ in app.workflows} == {workflow for workflow, _, _ in APPROVED_BY}
    run = await Trial(app).start("four-eyes", {})
    await run.approve()  # decides as the policy would in the end
    assert run.output == "refunded"


async def test_a_small_refund_is_approved_by_its_rule(placet: Product) -> None:
    """And the approval says so."""
    run = await placet.ended(await placet.start("by-amount", {"amount": 5}))

    approval = await placet.approval(run["approvals"][0]["id"])
    assert (approval["resolvedBy"], approval["channel"]) == ("rule:author", "rule")


async def test_what_is_missing_is_as_the_page_shows_it(placet: Product, people: dict[str, Product]) -> None:
    """Field by field."""
    shown = json.loads(blocks("json")[0])
    approval = await placet.paused(await placet.start("four-eyes", {}))

    answer = (await people["cy"].decide(approval, "approve")).json()

    assert {name: answer[name] for name in shown} == shown


async def test_the_policy_of_the_page_asks_beside_the_author(placet: Product, people: dict[str, Product]) -> None:
    """As YAML, and as the call puts it in force."""
    [text] = blocks("yaml")
    policy = DeploymentPolicy.model_validate_json(json.dumps(yaml.safe_load(text)))
    [call] = [body for body in bodies() if "policy" in body]
    DeploymentPolicy.model_validate_json(json.dumps(call["policy"]))
    body = {"policy": policy.model_dump(mode="json", by_alias=True, exclude_none=True)}
    assert (await placet.http.post("/v1/policies", json=body)).status_code == 200
    try:
        approval = await placet.paused(await placet.start("one-approver", {"amount": 5000}))
    finally:
        await placet.http.delete(f"/v1/policies/{policy.name}")
    assert problem(await placet.decide(approval, "approve"), 403, "not-allowed")["reason"] == "requester"
    await people["cy"].approve(approval)
    assert (await placet.approval(approval["id"]))["status"] == "pending"
    await people["dee"].approve(approval)
    assert (await placet.approval(approval["id"]))["status"] == "approved"


async def test_the_calls_of_the_page_are_taken(placet: Product, people: dict[str, Product]) -> None:
    """Who stands in for whom, and who is put in whose place."""
    [delegation] = [body for body in bodies() if "delegate" in body]
    assert (await people["ana"].http.post("/v1/delegations", json=delegation)).status_code == 201
    [reassignment] = [json.loads(found) for found in re.findall(r"`({\"from\".*?})`", PAGE)]
    approval = await placet.paused(await placet.start("stages", {}))
    moved = await placet.http.post(f"/v1/approvals/{approval['id']}/reassign", json=reassignment)
    assert moved.json()["revision"] == 2


async def test_the_explanation_of_the_page(placet: Product, people: dict[str, Product]) -> None:
    """In its words."""
    shown = json.loads(blocks("json")[1])
    shown.pop("...")
    approval = await placet.paused(await placet.start("by-amount", {"amount": 5000}))
    answer = await placet.http.get(f"/v1/approvals/{approval['id']}/explain?actor=user:cy")
    assert shown.keys() <= answer.json().keys()
    assert (answer.json()["reason"], answer.json()["why"]) == (
        shown["reason"],
        shown["why"].replace("group:finance", "user:ana"),
    )


async def test_every_reason_is_in_the_table() -> None:
    """No more and no less."""
    table = PAGE[PAGE.index("| `reason` |") :]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) - {"reason"} == {
        *get_args(Reason),
        "already-resolved",
    }
