"""Every feature of policies by every path on which somebody can decide: the same answer.

The paths are the operations of the API that decide, each with every way to say who one is. A new operation that decides
has no path here, and fails.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest

from kit.browser import LOCAL, browser
from kit.office import Office
from placet_approval.api.operations import ENDPOINTS
from placet_approval.domain import ApprovalError, Decision, Verdict
from placet_approval.handlers import decisions, keys, sessions

pytestmark = pytest.mark.asyncio(loop_scope="module")

Path = Callable[[Office, str, str, Verdict], Awaitable[str]]  # who, on which approval, how; the answer


@dataclass(frozen=True)
class Feature:
    """What is asked, who has voted already, who comes now, and what becomes of it."""

    asks: str
    before: tuple[str, ...]
    comes: str
    verdict: Verdict
    answer: str  # the approval's status, or why not
    by: str | None = None


FEATURES = [
    Feature("plain", (), "ana", "approve", "approved"),
    Feature("plain", (), "ana", "reject", "rejected"),
    Feature("plain", (), "eve", "approve", "requester", by="eve"),
    Feature("self", (), "eve", "approve", "approved", by="eve"),
    Feature("two-of-three", (), "ana", "approve", "pending"),
    Feature("two-of-three", ("ana",), "bo", "approve", "approved"),
    Feature("two-of-three", ("ana",), "ana", "reject", "already-voted"),
    Feature("two-of-three", ("ana",), "dee", "approve", "not-an-approver"),
    Feature("four-eyes", ("ana",), "bo", "approve", "approved"),
    Feature("group", (), "cy", "approve", "not-an-approver"),
    Feature("group", (), "bo", "approve", "approved"),
    Feature("stages", (), "cy", "approve", "not-yet"),
    Feature("stages", ("ana",), "cy", "approve", "approved"),
    Feature("stages", ("bo",), "bo", "reject", "already-voted"),
    Feature("all-branches", ("bo",), "ana", "approve", "approved"),
    Feature("any-branch", (), "ana", "approve", "pending"),
    Feature("any-branch", (), "cy", "approve", "approved"),
    Feature("two-rejections", (), "ana", "reject", "pending"),
    Feature("never-self", (), "eve", "approve", "requester", by="eve"),
    Feature("condition", ("ana",), "bo", "approve", "approved"),
    Feature("everybody", ("ana", "bo"), "cy", "approve", "approved"),
]

DECIDING = [endpoint for endpoint in ENDPOINTS if endpoint.action == "decide" and "approvals" in endpoint.path]


async def test_every_operation_that_decides_is_a_path() -> None:
    """One more must be added to `PATHS`."""
    assert {f"{endpoint.method} {endpoint.path}" for endpoint in DECIDING} == set(OPERATIONS)
    assert not [e for e in ENDPOINTS if "decision" in e.path and e not in DECIDING]


def _answer(answer: httpx2.Response) -> str:
    body = answer.json()
    if answer.status_code == 200:
        return str(body["status"])
    return str(body.get("reason") or body["type"].rpartition(":")[2])


async def _by_key(office: Office, handle: str, approval: str, verdict: Verdict) -> str:
    return _answer(await office.people[handle].decide(approval, verdict))


async def _by_another_key(office: Office, handle: str, approval: str, verdict: Verdict) -> str:
    async with office.placet.running.connection() as conn:
        key = await keys.create(conn, f"{handle}-{approval}", "approver", owner=handle)
    async with office.placet.running.http(key) as http:
        return _answer(await http.post(f"/v1/approvals/{approval}/decisions", json={"decision": verdict}))


async def _by_actor(office: Office, actor: str, approval: str, verdict: Verdict) -> str:
    """As a channel does that knows people by another name: mail, chat."""
    assert office.placet.running._approval is not None
    deps = office.placet.running._approval.deps
    [result] = await decisions.decide(deps, [Decision(UUID(approval), verdict, actor, "test")])
    if isinstance(result, ApprovalError):
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in result.__class__.__name__).strip("-")
        return str(getattr(result, "reason", words))
    return str(result.status)


async def _by_session(office: Office, handle: str, approval: str, verdict: Verdict) -> str:
    """In a browser that is signed in."""
    async with office.placet.running.connection() as conn:
        link = await sessions.link(conn, handle)
    async with browser(office.placet.running) as made:
        await made.use(link)
        answer = await made.http.post(
            f"/v1/approvals/{approval}/decisions",
            json={"decision": verdict},
            headers={"Origin": LOCAL, "X-Placet-Token": await made.token()},
        )
        return _answer(answer)


async def _by_mail(office: Office, handle: str, approval: str, verdict: Verdict) -> str:
    return await _by_actor(office, f"email:{handle}@example.com", approval, verdict)


OPERATIONS: dict[str, tuple[Path, ...]] = {"POST /v1/approvals/{id}/decisions": (_by_key, _by_another_key, _by_session)}
PATHS: list[Path] = [*(path for paths in OPERATIONS.values() for path in paths), _by_mail]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__.strip("_"))
@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f"{f.asks}-{f.comes}-{f.verdict}-{f.answer}")
async def test_every_path_gives_the_same_answer(office: Office, feature: Feature, path: Path) -> None:
    """One authoriser, whichever way somebody comes."""
    approval = await office.ask(feature.asks, feature.by, amount=5000)
    for handle in feature.before:
        await office.people[handle].approve(approval)

    answer = await path(office, feature.comes, approval["id"], feature.verdict)

    assert answer == feature.answer
    status = feature.answer if feature.answer in ("approved", "rejected") else "pending"
    assert (await office.placet.approval(approval["id"]))["status"] == status
