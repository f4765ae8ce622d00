"""Lists, pages, filters, and requests that wait."""

import asyncio
import socket
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from kit.database import database
from kit.product import Product, names, problem
from kit.stack import ADMIN_KEY
from kit.waiting import eventually
from placet_approval.app import build
from placet_approval.settings import Settings
from placet_runtime.receipts import generate_key
from placet_runtime.serve import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "/v1/approvals/00000000-0000-4000-8000-000000000000"

Item = dict[str, Any]


async def test_runs_are_listed_by_pages_that_hold_still(placet: Product) -> None:
    """25 runs by tens, the newest first: each is there once, though others start on the way."""
    workflow = f"walked-{uuid4().hex}"
    started = [await placet.start(workflow, n) for n in range(25)]
    seen: list[str] = []
    url: str | None = f"/v1/runs?workflow={workflow}&limit=10"
    sizes = []
    while url is not None:
        answer = await placet.http.get(url)
        page = answer.json()
        sizes.append(len(page["items"]))
        seen += [run["id"] for run in page["items"]]
        url = answer.links["next"]["url"] if "next" in answer.links else None
        assert (url is None) == (page["nextCursor"] is None)
        await placet.start(workflow, "late")

    assert sizes == [10, 10, 5]
    assert seen == started[::-1]


async def test_approvals_are_listed_by_pages_too(placet: Product) -> None:
    """By the cursor in the body; the last page has none."""
    async with placet.caller("starter") as somebody:
        runs = [await somebody.start("asks", n) for n in range(5)]
    asked = [(await placet.paused(run_id))["id"] for run_id in runs]

    seen: list[str] = []
    query: dict[str, Any] = {"status": "pending", "workflow": "asks", "limit": 2}
    while True:
        page = (await placet.http.get("/v1/approvals", params=query)).json()
        assert len(page["items"]) <= 2
        seen += [approval["id"] for approval in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]

    assert len(seen) == len(set(seen))
    assert set(asked) <= set(seen)


async def test_a_page_that_is_just_full_is_the_last(placet: Product) -> None:
    """No link leads to an empty page."""
    workflow = f"walked-{uuid4().hex}"
    for n in range(2):
        await placet.start(workflow, n)

    answer = await placet.http.get("/v1/runs", params={"workflow": workflow, "limit": 2})

    assert (len(answer.json()["items"]), answer.json()["nextCursor"], answer.links) == (2, None, {})


async def test_lists_can_be_narrowed(placet: Product) -> None:
    """By status, run, workflow and parking; the empty list is an answer."""
    run_id = await placet.start("asks", "narrow")
    approval = await placet.paused(run_id)
    parked = await placet.start("nobody-serves-this")
    await eventually(lambda: _is(placet, f"/v1/runs/{parked}", "parked", True))

    async def ids(path: str, **query: Any) -> list[str]:
        return [item["id"] for item in (await placet.http.get(path, params=query)).json()["items"]]

    assert await ids("/v1/approvals", runId=run_id) == [approval["id"]]
    assert await ids("/v1/approvals", runId=run_id, status="pending", workflow="asks") == [approval["id"]]
    assert await ids("/v1/approvals", runId=run_id, status="approved") == []
    assert await ids("/v1/approvals", runId=run_id[:-1]) == []
    assert await ids("/v1/approvals", workflow="ask%") == []
    assert parked in await ids("/v1/runs", parked="true")
    assert run_id not in await ids("/v1/runs", parked="true")
    assert run_id in await ids("/v1/runs", parked="false", status="paused", workflow="asks")
    assert await ids("/v1/runs", workflow="no-such") == []


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "e30",
        "W10",
        "WzEsMl0",
        "%00",
        "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwgIngiXQ",  # no zone
        "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsICJhXHUwMDAwYiJd",  # a NUL in the id
        "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgIngiXQ",  # before the first year
        "\N{SNOWMAN}",
        "x" * 501,
    ],
)
async def test_a_cursor_that_no_page_has_given_is_refused(placet: Product, cursor: str) -> None:
    """Not an empty page, which would look like the end."""
    for path in ("/v1/runs", "/v1/approvals"):
        answer = await placet.http.get(f"{path}?cursor={cursor}")
        assert "cursor" in problem(answer, 422, "invalid-request")["detail"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/runs", "state=paused"),
        ("/v1/runs", "status=waiting"),
        ("/v1/runs", "parked=maybe"),
        ("/v1/runs", "limit=0"),
        ("/v1/runs", "limit=201"),
        ("/v1/runs", "limit=ten"),
        ("/v1/runs", "workflow=%00"),
        ("/v1/approvals", "Status=pending"),
        ("/v1/approvals", "status=open"),
        ("/v1/approvals", "runid=x"),
        ("/v1/approvals", "runId=%00"),
        ("/v1/approvals", "decision=approve"),
        (NOWHERE, "wait=61"),
        (NOWHERE, "wait=-1"),
        (NOWHERE, "wait=nan"),
        (NOWHERE, "wait=soon"),
        (NOWHERE, "decision=approve"),
        ("/v1/runs/x", "until=completed"),
        ("/v1/runs/x", "timeout=1"),
    ],
)
async def test_a_misspelt_query_is_refused(placet: Product, path: str, query: str) -> None:
    """A filter that is ignored shows too much; a wait that is ignored, too early."""
    errors = problem(await placet.http.get(f"{path}?{query}"), 422, "invalid-request")["errors"]
    assert [error["field"] for error in errors] == [query.partition("=")[0]]


async def test_a_wait_ends_with_the_change(placet: Product, pending: Item) -> None:
    """Who waits for an approval and for its run hears of the decision as it happens."""
    begun = monotonic()
    waiting = [
        asyncio.create_task(placet.http.get(f"/v1/{path}?wait=60", timeout=70))
        for path in (f"approvals/{pending['id']}", f"runs/{pending['runId']}")
    ]
    await asyncio.sleep(0)
    await placet.approve(pending)

    approval, run = [(await task).json() for task in waiting]

    assert (approval["status"], run["status"]) == ("approved", "completed")
    assert monotonic() - begun < 30


async def test_a_wait_that_is_over_shows_what_is(placet: Product, pending: Item) -> None:
    """Nothing has changed in that time: the same approval, and no error."""
    answer = await placet.http.get(f"/v1/approvals/{pending['id']}?wait=0.1")

    assert (answer.status_code, answer.json()) == (200, pending)


async def test_waiting_for_what_is_not_there_is_not_worth_it(placet: Product) -> None:
    """An unknown id is answered at once."""
    problem(await placet.http.get("/v1/runs/no-such-run?wait=60"), 404, "not-found")


async def test_a_wait_ends_when_the_service_does(postgres_url: str, amqp_url: str) -> None:
    """At SIGTERM those who wait get what there is, and the service goes without them having to."""
    async with database(postgres_url) as database_url, names("rabbit", amqp_url) as namespace:
        settings = Settings(
            database_url=SecretStr(database_url),
            amqp_url=SecretStr(amqp_url),
            namespace=namespace,
            signing_key=SecretStr(generate_key()),
            admin_key=SecretStr(ADMIN_KEY),
        )
        stopping = asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            server = Server(build(settings, stopping), "127.0.0.1", port, stopping)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=70) as http:
                await eventually(lambda: asyncio.sleep(0, server.started))
                run = (await http.post("/v1/runs", json={"workflow": "echo"})).json()
                waiting = asyncio.create_task(http.get(f"/v1/runs/{run['id']}?wait=60"))
                await eventually(lambda: asyncio.sleep(0, server.server_state.tasks))
                server.stop()
                async with asyncio.timeout(20):
                    answer = await waiting
                    await serving

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


async def _is(placet: Product, path: str, name: str, value: object) -> bool:
    return bool((await placet.http.get(path)).json()[name] == value)
