"""Starting and cancelling runs over the API."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from kit.product import Product, problem
from kit.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_start_is_answered_with_the_run(placet: Product) -> None:
    """202, the run as it is taken in, and where to look for it."""
    answer = await placet.http.post("/v1/runs", json={"workflow": "echo", "input": {"a": [1, None, "\0"]}})

    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")
    run = answer.json()
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert (run["status"], run["workflow"], run["requestedBy"]) == ("ready", "echo", "key:admin")
    assert (await placet.ended(run["id"]))["output"] == {"a": [1, None, "\0"]}


@pytest.mark.parametrize("id", ["order-1", "a/b/c", "x/cancel", "2026-01-01T00:00:00+00:00", "ana@example.com", "_"])
async def test_a_run_may_have_a_name_of_its_own(placet: Product, id: str) -> None:
    """An id of the caller's is found under that id, whatever of the allowed characters are in it."""
    run_id = f"r{uuid4().hex[:6]}{id}"

    assert await placet.start("asks", 1, runId=run_id) == run_id

    assert (await placet.paused(run_id))["runId"] == run_id
    assert (await placet.cancel(run_id)).status_code == 202
    assert (await placet.ended(run_id))["id"] == run_id


async def test_the_same_start_again_is_the_same_run(placet: Product) -> None:
    """A repeated run id with the same content, in whatever order of keys, starts nothing and is no error."""
    run_id = f"run-{uuid4().hex}"
    body = {"workflow": "echo", "runId": run_id, "input": {"a": 1, "b": {"c": 2.0}}}
    first = await placet.http.post("/v1/runs", json=body)
    await placet.ended(run_id)

    again = await placet.http.post("/v1/runs", json={**body, "input": {"b": {"c": 2.0}, "a": 1}})

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["status"] == "completed"


@pytest.mark.parametrize("change", [{"input": {"a": 2}}, {"input": None}, {"workflow": "asks"}, {"version": 2}])
async def test_a_run_id_with_another_content_is_refused(placet: Product, change: dict[str, Any]) -> None:
    """A run is what it was started as."""
    run_id = f"run-{uuid4().hex}"
    body = {"workflow": "echo", "runId": run_id, "version": 1, "input": {"a": 1}}
    await placet.http.post("/v1/runs", json=body)

    answer = await placet.http.post("/v1/runs", json={**body, **change})

    problem(answer, 409, "run-contradicted")
    assert (await placet.ended(run_id))["output"] == {"a": 1}


async def test_an_idempotency_key_makes_a_start_repeatable(placet: Product) -> None:
    """The same key gives the same run; with another content it is refused; another caller's is another."""
    headers = {"Idempotency-Key": uuid4().hex}
    body = {"workflow": "echo", "input": 1}

    first = await placet.http.post("/v1/runs", json=body, headers=headers)
    again = await placet.http.post("/v1/runs", json=body, headers=headers)
    other = await placet.http.post("/v1/runs", json={**body, "input": 2}, headers=headers)
    async with placet.caller("starter") as somebody:
        theirs = await somebody.http.post("/v1/runs", json=body, headers=headers)

    assert (first.status_code, again.status_code, theirs.status_code) == (202, 202, 202)
    assert first.json()["id"] == again.json()["id"] != theirs.json()["id"]
    problem(other, 422, "idempotency-key-reused")


async def test_a_repeated_start_shows_what_the_run_has_asked_for(placet: Product) -> None:
    """Who repeats a start is answered with the run as it stands, its approvals included."""
    run_id = uuid4().hex
    body = {"workflow": "asks", "input": 1, "runId": run_id}
    await placet.http.post("/v1/runs", json=body)
    await placet.paused(run_id)

    again = await placet.http.post("/v1/runs", json=body)

    assert [approval["status"] for approval in again.json()["approvals"]] == ["pending"]


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_idempotency_key_has_a_size(placet: Product, key: str) -> None:
    """One that cannot be stored is refused, not ignored."""
    answer = await placet.http.post("/v1/runs", json={"workflow": "echo"}, headers={"Idempotency-Key": key})

    assert "Idempotency-Key" in problem(answer, 422, "invalid-request")["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"workflow": null}',
        '{"workflow": ""}',
        '{"workflow": "no spaces"}',
        '{"workflow": "echo\\u0000"}',
        '{"workflow": "echo", "wait": true}',
        '{"workflow": "echo", "version": "1"}',
        '{"workflow": "echo", "version": 0}',
        '{"workflow": "echo", "version": 1.5}',
        '{"workflow": "echo", "version": true}',
        '{"workflow": "echo", "version": 99999999999}',
        '{"workflow": "echo", "runId": ""}',
        '{"workflow": "echo", "runId": "%"}',
        '{"workflow": "echo", "runId": "a\\nb"}',
        '{"workflow": "echo", "requestedBy": "somebody-else"}',
        '{"workflow": "echo", "input": NaN}',
        '{"workflow": "echo", "input": -Infinity}',
        '{"workflow": "echo", "input": {"deep": [1e999]}}',
        '{"workflow": "echo", "input": {"a": 1, "a": 2}}',
        '{"workflow": "echo", "input": "\\ud800"}',
        json.dumps({"workflow": "echo", "runId": "x" * 201}),
    ],
)
async def test_what_is_no_start_starts_nothing(placet: Product, body: str) -> None:
    """What does not fit is refused with a reason."""
    count = "SELECT count(*) FROM runs"
    before = await placet.running.query("approval", count)

    problem(await placet.http.post("/v1/runs", content=body), 422, "invalid-request")

    assert await placet.running.query("approval", count) == before


@pytest.mark.parametrize(("depth", "status"), [(100, 202), (101, 422), (5000, 422)])
async def test_what_is_taken_can_be_read_by_everybody(placet: Product, depth: int, status: int) -> None:
    """An input is nested no deeper than what every service can read inside an event."""
    body = '{"workflow": "echo", "input": %s}' % ("[" * depth + "]" * depth)

    answer = await placet.http.post("/v1/runs", content=body)

    assert answer.status_code == status
    if status == 202:
        assert (await placet.ended(answer.json()["id"]))["status"] == "completed"


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/approvals/00000000-0000-4000-8000-000000000000/decisions"])
async def test_a_body_has_a_size(placet: Product, path: str) -> None:
    """More than the limit is not read to its end, whether it says its size or not."""
    size = 2 * 1024 * 1024

    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * (size // 2)

    problem(await placet.http.post(path, content=b" " * (size + 1)), 413, "too-large")
    problem(await placet.http.post(path, content=chunks()), 413, "too-large")
    assert (await placet.http.post(path, content=b" " * size)).status_code == 422


async def test_a_cancellation_is_heard_on_all_sides(placet: Product) -> None:
    """The run ends as cancelled, by whom, and its approval with it."""
    run_id = await placet.start("asks")
    approval = await placet.paused(run_id)
    async with placet.caller("starter") as somebody:
        answer = await somebody.cancel(run_id)

    assert answer.status_code == 202
    assert answer.json()["cancelledBy"].startswith("key:starter-")
    assert (await placet.ended(run_id))["status"] == "cancelled"
    assert (await placet.approval(approval["id"]))["status"] == "cancelled"

    async def known() -> bool:
        return await placet.status_in_executor(run_id) == "cancelled"

    await eventually(known)


async def test_what_has_ended_cannot_be_cancelled(placet: Product) -> None:
    """A run that completed says so."""
    run_id = await placet.start("echo")
    await placet.ended(run_id)

    assert "completed" in problem(await placet.cancel(run_id), 409, "already-ended")["detail"]


@pytest.mark.parametrize("id", ["no-such-run", "%00", "a%00b", "%25", "\N{SNOWMAN}", "x" * 1000])
async def test_what_is_not_there_is_not_found(placet: Product, id: str) -> None:
    """Unknown and impossible ids get the same answer."""
    problem(await placet.http.get(f"/v1/runs/{id}"), 404, "not-found")
    problem(await placet.cancel(id), 404, "not-found")


async def test_a_start_can_wait_for_what_comes_of_it(placet: Product) -> None:
    """One request starts a run, and is answered when the run waits for a decision, or has ended."""
    paused = await placet.http.post("/v1/runs?wait=20&until=paused", json={"workflow": "asks", "input": 1})
    assert (paused.status_code, paused.json()["status"]) == (202, "paused")
    [approval] = paused.json()["approvals"]
    await placet.approve(approval["id"])
    ended = await placet.http.post(
        "/v1/runs?wait=20", json={"workflow": "asks", "input": 1, "runId": paused.json()["id"]}
    )

    assert (ended.status_code, ended.json()["status"]) == (202, "completed")


async def test_a_repeated_start_waits_for_the_run_that_is_there(placet: Product) -> None:
    """With the key of an earlier start, the wait is for the run of that one."""
    key = {"Idempotency-Key": uuid4().hex}
    body = {"workflow": "asks", "input": 1}
    first = await placet.http.post("/v1/runs?wait=20&until=paused", json=body, headers=key)
    again = asyncio.create_task(placet.http.post("/v1/runs?wait=20", json=body, headers=key))

    await placet.approve(first.json()["approvals"][0]["id"])

    assert (await again).json()["id"] == first.json()["id"]
    assert (await again).json()["status"] == "completed"
