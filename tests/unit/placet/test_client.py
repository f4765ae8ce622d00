"""The API client, against a small API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from placet import PlacetClient, client
from placet.errors import Conflict, Invalid, NotFound, PlacetError, Unauthorized, Unavailable, Unreachable

APPROVAL = UUID("0196f000-0000-7000-8000-000000000001")
AT = "2026-01-01T00:00:00Z"
OPEN = {"ready": 0, "running": 1, "paused": 2, "parked": 0}
WORKFLOW = {
    "name": "refund",
    "latest": 2,
    "description": "Give money back.",
    "inputSchema": {"type": "object"},
    "served": True,
    "executors": 3,
    "seenAt": AT,
    "versions": [
        {
            "version": 2,
            "description": "Give money back.",
            "inputSchema": {"type": "object"},
            "served": True,
            "executors": 3,
            "firstSeenAt": AT,
            "seenAt": AT,
            "runs": OPEN,
            "fieldOfANewerServer": 1,
        }
    ],
    "runs": OPEN,
    "hasRuns": True,
}


@dataclass
class Api:
    """What it was asked, and what it is to answer next before it answers properly."""

    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[Response | Exception] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)

    async def serve(self, request: Request) -> Response:
        body = await request.json() if await request.body() else None
        self.requests.append((request.method, request.url.path, dict(request.query_params), body))
        self.headers.append(dict(request.headers))
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if request.url.path == "/v1/workflows":
            return JSONResponse({"items": [WORKFLOW]})
        if request.method == "GET" and request.url.path in ("/v1/runs", "/v1/approvals"):
            return JSONResponse(self._page(request))
        return JSONResponse(self._approval() if "/approvals/" in request.url.path else self._run())

    def _page(self, request: Request) -> dict[str, Any]:
        number = int(request.query_params.get("cursor", "1"))
        item = self._run(id=f"run-{number}") if request.url.path == "/v1/runs" else self._approval()
        return {"items": [item, item], "nextCursor": str(number + 1) if number < 3 else None}

    def _run(self, **fields: Any) -> dict[str, Any]:
        given = {"id": "run-1", "workflow": "flow", "version": 1, "status": "ready", "createdAt": AT, "updatedAt": AT}
        return given | {"fieldOfANewerServer": 1} | self.run | fields

    def _approval(self) -> dict[str, Any]:
        return {
            "id": str(APPROVAL),
            "runId": "run-1",
            "workflow": "flow",
            "version": 1,
            "gate": "legal",
            "status": "approved",
            "digest": "sha256:00",
            "openedAt": AT,
            "timeline": [{"at": AT, "kind": "opened"}, {"at": AT, "kind": "ofANewerServer", "more": 1}],
        }


def problem(status: int, **fields: Any) -> Response:
    body = {"type": "urn:placet:problem:some", "title": "Some", "status": status, "detail": "why"} | fields
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def busy(status: int, retry_after: int) -> Response:
    answer = problem(status)
    answer.headers["Retry-After"] = str(retry_after)
    return answer


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def placet(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PlacetClient]:
    monkeypatch.setattr(client, "_BACKOFF", 0.001)
    methods = ["GET", "POST"]
    app = Starlette(routes=[Route("/{path:path}", api.serve, methods=methods)])
    transport = httpx2.ASGITransport(app=app)
    async with PlacetClient("http://placet.test", "secret", transport=transport) as opened:
        yield opened


class DeleteUser(BaseModel):
    user_id: str


async def test_starting_a_run(api: Api, placet: PlacetClient) -> None:
    """A run is started with a key of its own, so that the request may be repeated."""
    run = await placet.start("flow", DeleteUser(user_id="u1"), version=2, run_id="order/7")

    assert (run.id, run.status, run.ended) == ("run-1", "ready", False)
    assert api.requests == [
        ("POST", "/v1/runs", {}, {"workflow": "flow", "version": 2, "runId": "order/7", "input": {"user_id": "u1"}})
    ]
    assert api.headers[0]["authorization"] == "Bearer secret"
    assert len(api.headers[0]["idempotency-key"]) == 32


async def test_a_start_may_wait(api: Api, placet: PlacetClient) -> None:
    """In the same request, for half a minute at most."""
    await placet.start("flow", wait=90, until="paused")

    [(_, _, query, _)] = api.requests
    assert query == {"wait": "30.000", "until": "paused"}


async def test_a_repeated_start_is_the_same_start(api: Api, placet: PlacetClient) -> None:
    """Where the API does not answer, the client asks again under the same key."""
    api.answers = [problem(503), httpx2.ReadError("gone"), httpx2.ConnectError("not there")]

    await placet.start("flow", idempotency_key="key-1")

    assert [headers["idempotency-key"] for headers in api.headers] == 4 * ["key-1"]
    assert len({str(request) for request in api.requests}) == 1


async def test_it_gives_up_after_a_while(api: Api, placet: PlacetClient) -> None:
    """And says what it has met: no answer, or an API without its database."""
    api.answers = [httpx2.ConnectError("refused")] * 5
    with pytest.raises(Unreachable, match=r"placet\.test does not answer: ConnectError\('refused'\)"):
        await placet.get("run-1")

    api.answers = [problem(503)] * 5
    with pytest.raises(PlacetError, match="503 Some: why"):
        await placet.get("run-1")

    assert len(api.requests) == 10


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client waits, without waiting."""
    waits: list[float] = []
    clock = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal clock
        waits.append(seconds)
        clock += seconds

    monkeypatch.setattr(client, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(client, "monotonic", lambda: clock)
    return waits


@pytest.mark.parametrize("status", [429, 503])
async def test_it_comes_again_when_the_api_says(
    api: Api, placet: PlacetClient, slept: list[float], status: int
) -> None:
    """However often it is told to, and never before; a little later, so that not all come at once."""
    api.answers = [busy(status, 2)] * 8

    await placet.start("flow", idempotency_key="key-1")

    assert len(slept) == 8
    assert all(2 <= pause <= 3 for pause in slept)
    assert len(set(slept)) > 1
    assert {headers["idempotency-key"] for headers in api.headers} == {"key-1"}


async def test_its_patience_ends(api: Api, placet: PlacetClient, slept: list[float]) -> None:
    """It says what it was told last, and does not wait for what would come too late."""
    api.answers = [busy(503, 8)] * 100

    with pytest.raises(Unavailable, match="503 Some: why") as raised:
        await placet.start("flow")

    assert raised.value.retry_after == 8
    assert 16 <= sum(slept) <= 30

    slept.clear()
    api.answers = [busy(503, 3600)]
    with pytest.raises(Unavailable):
        await placet.start("flow")
    assert slept == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthorized),
        (403, Unauthorized),
        (404, NotFound),
        (409, Conflict),
        (410, Conflict),
        (422, Invalid),
        (413, PlacetError),
    ],
)
async def test_refusals_are_errors_of_their_own(
    api: Api, placet: PlacetClient, status: int, kind: type[PlacetError]
) -> None:
    """A problem's status chooses the class; nothing of it is lost, and it is not asked again."""
    api.answers = [problem(status, outcome="rejected")]

    with pytest.raises(kind) as raised:
        await placet.approve(APPROVAL)

    error = raised.value
    assert type(error) is kind
    assert (error.status, error.type, error.title, error.detail) == (status, "urn:placet:problem:some", "Some", "why")
    assert error.problem["outcome"] == "rejected"
    assert len(api.requests) == 1


async def test_an_answer_of_something_else_is_an_error_too(api: Api, placet: PlacetClient) -> None:
    """A proxy that answers in its own words is not taken for the API."""
    api.answers = [PlainTextResponse("<html>Bad Gateway</html>", status_code=502)]

    with pytest.raises(PlacetError, match="502 Bad Gateway: <html>"):
        await placet.get("run-1")


async def test_ids_are_one_part_of_the_path(api: Api, placet: PlacetClient) -> None:
    """Run ids may hold slashes and dots, and lead nowhere else."""
    await placet.get("a/../b")
    await placet.cancel("a/b@c")

    assert [(method, path) for method, path, _, _ in api.requests] == [
        ("GET", "/v1/runs/a/../b"),
        ("POST", "/v1/runs/a/b@c/cancel"),
    ]


async def test_waiting_for_the_end(api: Api, placet: PlacetClient) -> None:
    """The client asks until it is so, and lets the API hold each request."""
    running = JSONResponse(api._run(status="running"))
    paused = JSONResponse(
        api._run(status="paused", approvals=[{"id": str(APPROVAL), "gate": "g", "status": "pending"}])
    )
    api.answers = [running, paused]
    api.run = {"status": "completed", "output": {"done": True}}

    run = await placet.wait("run-1")

    assert (run.status, run.output) == ("completed", {"done": True})
    assert [query for _, _, query, _ in api.requests] == 3 * [{"wait": "30.000", "until": "ended"}]


async def test_waiting_for_a_decision_to_take(api: Api, placet: PlacetClient) -> None:
    """``until="paused"`` is met when somebody can decide, not before; an end meets it too."""
    api.answers = [JSONResponse(api._run(status="paused", gate="g"))]
    api.run = {"status": "paused", "approvals": [{"id": str(APPROVAL), "gate": "g", "status": "pending"}]}

    run = await placet.wait("run-1", timeout=60, until="paused")

    assert run.waiting
    assert run.approvals[0].id == APPROVAL
    assert len(api.requests) == 2

    api.run = {"status": "failed", "error": {"type": "ValueError", "message": "no"}}
    assert (await placet.wait("run-1", until="paused")).ended


async def test_waiting_too_long(placet: PlacetClient) -> None:
    """A timeout is Python's own."""
    with pytest.raises(TimeoutError, match=r"run run-1 is still ready after 0\.01 s"):
        await placet.wait("run-1", timeout=0.01)


async def test_deciding(api: Api, placet: PlacetClient) -> None:
    """A decision goes out as it is given; the approval comes back as it stands."""
    approval = await placet.approve(APPROVAL, comment="fine")
    await placet.reject(str(APPROVAL))
    await placet.decide(APPROVAL, "approve", digest="sha256:00")

    assert (approval.status, approval.run_id, [entry.kind for entry in approval.timeline]) == (
        "approved",
        "run-1",
        ["opened", "ofANewerServer"],
    )
    path = f"/v1/approvals/{APPROVAL}/decisions"
    assert api.requests == [
        ("POST", path, {}, {"decision": "approve", "comment": "fine", "digest": None}),
        ("POST", path, {}, {"decision": "reject", "comment": None, "digest": None}),
        ("POST", path, {}, {"decision": "approve", "comment": None, "digest": "sha256:00"}),
    ]


async def test_lists_go_through_all_pages(api: Api, placet: PlacetClient) -> None:
    """Page by page, as far as the caller reads."""
    assert [run.id async for run in placet.runs(workflow="flow", status="failed")] == [
        f"run-{number}" for number in (1, 1, 2, 2, 3, 3)
    ]
    assert [query for _, _, query, _ in api.requests] == [
        {"workflow": "flow", "status": "failed"},
        {"workflow": "flow", "status": "failed", "cursor": "2"},
        {"workflow": "flow", "status": "failed", "cursor": "3"},
    ]

    api.requests.clear()
    async for approval in placet.approvals(run_id="run-1"):
        assert approval.gate == "legal"
        break
    assert api.requests == [("GET", "/v1/approvals", {"status": "pending", "runId": "run-1"}, None)]


async def test_where_and_who_may_come_from_the_environment(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PLACET_URL`` and ``PLACET_API_KEY`` serve where nothing is given."""
    monkeypatch.setenv("PLACET_URL", "http://elsewhere.test/base")
    monkeypatch.setenv("PLACET_API_KEY", "from-env")
    transport = httpx2.ASGITransport(app=Starlette(routes=[Route("/{path:path}", api.serve)]))

    async with PlacetClient(transport=transport) as placet:
        await placet.get("run-1")

    assert api.requests[0][1] == "/base/v1/runs/run-1"
    assert api.headers[0]["host"] == "elsewhere.test"
    assert api.headers[0]["authorization"] == "Bearer from-env"


async def test_what_can_be_started_is_listed(api: Api, placet: PlacetClient) -> None:
    """Workflows come with their versions, what they take, who serves them, and their open runs."""
    [workflow] = await placet.workflows()

    assert (workflow.name, workflow.latest, workflow.served, workflow.executors) == ("refund", 2, True, 3)
    assert workflow.versions[0].input_schema == {"type": "object"}
    assert (workflow.runs.running, workflow.versions[0].runs.paused) == (1, 2)


async def test_a_run_tells_what_it_did(api: Api, placet: PlacetClient) -> None:
    """Its steps and retries, where the server tells of them; an older one, or a list, does not."""
    assert (await placet.get("run-1")).steps is None
    error = {"type": "ValueError", "message": "no", "details": [], "traceback": "Traceback ..."}
    api.run = {
        "steps": [{"name": "look up", "attempt": 2, "startedAt": AT, "endedAt": AT}],
        "retries": [{"attempt": 1, "at": AT, "error": error}],
    }

    run = await placet.get("run-1")

    assert run.steps is not None
    assert run.retries is not None
    assert [(step.name, step.attempt) for step in run.steps] == [("look up", 2)]
    assert [(retry.attempt, retry.error.traceback) for retry in run.retries] == [(1, "Traceback ...")]
