"""What the service shows to machines that know nothing of it: scanners, browsers, orchestrators, generators."""

import hashlib
import itertools
import re
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from starlette.routing import Mount, Route

from kit.browser import browser, signed_in
from kit.people import know
from kit.product import Product, problem
from kit.waiting import eventually
from placet_approval.api.operations import ENDPOINTS
from placet_approval.inbox.routes import ROUTES as INBOX
from placet_approval.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = [route for route in ROUTES if isinstance(route, Route)]
FILES = [f"{route.path}/placet.css" for route in ROUTES if isinstance(route, Mount)]
TEMPLATES = [endpoint.path for endpoint in ENDPOINTS] + [page.path for page in PAGES]
AGENTS = [
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36",
    "",
]
STATE = {
    "approval": [
        "approvals",
        "votes",
        "moments",
        "changes",
        "policies",
        "delegations",
        "runs",
        "run_steps",
        "run_retries",
        "workflows",
        "workers",
        "deliveries",
        "api_keys",
        "users",
        "identities",
        "groups",
        "group_members",
        "sessions",
        "login_links",
        "outbox",
        "quarantine",
        "quarantined",
    ],
    "executor": ["runs", "gates", "steps", "notifications", "quarantine"],
}


def paths(pending: dict[str, Any]) -> list[str]:
    """Every address that the service has, with real ids in it."""
    ids = (pending["id"], pending["runId"], str(uuid4()))
    return sorted({re.sub(r"{\w+(:\w+)?}", id, path) for path in [*TEMPLATES, *FILES] for id in ids})


async def state(placet: Product) -> str:
    """A digest over all rows, once what happened before is acknowledged."""
    await eventually(lambda: _is_acknowledged(placet))
    rows = [
        row["row"]
        for schema, tables in STATE.items()
        for table in tables
        for row in await placet.running.query(
            schema,  # type: ignore[arg-type]
            f"SELECT t::text AS row FROM {table} AS t ORDER BY 1",
        )
    ]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


async def _is_acknowledged(placet: Product) -> bool:
    return await placet.running.query("approval", "SELECT FROM outbox") == []


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(placet: Product, pending: dict[str, Any], agent: str, method: str) -> None:
    """Whoever follows whichever address, with a key or without one, whatever is in its query: nothing moves."""
    assert len(TEMPLATES) + len(FILES) == len(ENDPOINTS) + len(ROUTES)
    before = await state(placet)

    async with placet.running.http("") as nobody:
        for http in (nobody, placet.http):
            for path in paths(pending):
                for query in ("", "?decision=approve&_method=POST"):
                    headers = {"User-Agent": agent, "X-HTTP-Method-Override": "POST"}
                    answer = await http.request(method, path + query, headers=headers)
                    assert answer.status_code < 500

    assert await state(placet) == before
    assert await placet.approval(pending["id"]) == pending


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_what_a_path_does_not_take_is_refused(placet: Product, pending: dict[str, Any], method: str) -> None:
    """405 as a problem, with the methods that are taken; 404 for paths that are not there."""
    taken = {endpoint.path for endpoint in ENDPOINTS if endpoint.method == method}
    taken |= {page.path for page in PAGES if method in (page.methods or ())}
    for template in sorted(set(TEMPLATES) - taken):
        path = re.sub(r"{\w+(:\w+)?}", pending["id"], template)
        answer = await placet.http.request(method, path, json={"decision": "approve"})
        problem(answer, 405, "method-not-allowed")
        allowed = {endpoint.method for endpoint in ENDPOINTS if endpoint.path == template}
        allowed |= {each for page in PAGES if page.path == template for each in page.methods or ()}
        assert set(answer.headers["allow"].split(", ")) == allowed | ({"HEAD"} if "GET" in allowed else set())
    problem(await placet.http.request(method, "/v2/runs"), 404, "not-found")
    assert await placet.approval(pending["id"]) == pending


async def test_the_page_behind_a_link_gives_nothing_away(placet: Product, pending: dict[str, Any]) -> None:
    """Who is not signed in is asked to be, the same for all ids, and told how a key decides."""
    async with placet.running.http("") as http:
        shown = []
        for id in (pending["id"], str(uuid4())):
            answer = await http.get(f"/approvals/{id}")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next=/approvals/{id}")
            page = await http.get(answer.headers["location"])
            assert f"/v1/approvals/{id}/decisions" in page.text
            shown.append(page.text.replace(id, ""))
        hostile = await http.get("/sign-in?next=/approvals/$(reboot)")

    assert shown[0] == shown[1]
    assert "May I?" not in shown[0]
    assert "<form" not in shown[0]
    assert "curl" not in hostile.text


HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "strict-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


async def test_every_page_has_the_same_strict_headers(placet: Product, pending: dict[str, Any]) -> None:
    """Whatever a page answers, to whoever asks: nothing from elsewhere, no inline code, no frames, no cache."""
    seen = set()
    await know(placet, "root", role="admin")
    async with browser(placet.running) as nobody, signed_in(placet.running, "root") as root:
        pages = [page for page in INBOX if isinstance(page, Route) and page.path not in ("/live", "/sign-out")]
        for who, page in itertools.product((nobody, root), pages):
            for path in (re.sub(r"{\w+(:\w+)?}", id, page.path) for id in (pending["id"], "x")):
                for method in sorted(page.methods or ()):
                    answer = await who.http.request(method, path)
                    if "text/html" in answer.headers.get("content-type", "") or answer.is_redirect:
                        seen.add(page.path)
                        shown = {name: value for name, value in answer.headers.items() if name in HEADERS}
                        assert shown == HEADERS, path
                        assert not re.search(r"<style|<script(?! src)| style=| on\w+=", answer.text), path

    assert seen == {page.path for page in pages}


async def test_orchestrators_are_told_how_it_is(placet: Product) -> None:
    """Alive, ready, and how much waits, without a key."""
    async with placet.running.http("") as http:
        alive, ready, metrics = [await http.get(path) for path in ("/livez", "/readyz", "/metrics")]

    assert (alive.status_code, alive.json()) == (200, {"stalled": []})
    assert (ready.status_code, ready.json()) == (200, {"approval": {"bus": True, "database": True}})
    assert metrics.status_code == 200
    for name in ("placet_approvals_pending", "placet_approvals_oldest_pending_seconds", "placet_decision_seconds"):
        assert f"# TYPE {name} " in metrics.text


async def test_the_number_that_waits_is_the_number_that_waits(placet: Product, pending: dict[str, Any]) -> None:
    """The gauge is read from the database, within what a reading takes twenty times over."""

    async def shows_what_waits() -> bool:
        text = (await placet.http.get("/metrics")).text
        [value] = re.findall(r"^placet_approvals_pending (\S+)$", text, re.MULTILINE)
        [row] = await placet.running.query("approval", "SELECT count(*) FROM approvals WHERE status = 'pending'")
        return bool(float(value) == row["count"])

    await eventually(shows_what_waits)
    await placet.approve(pending)
    await eventually(shows_what_waits)


async def test_the_document_describes_every_operation(placet: Product) -> None:
    """An OpenAPI 3.1 document, without a key: all operations, all references, all parameters of their paths."""
    async with placet.running.http("") as http:
        document = (await http.get("/openapi.json")).json()

    assert document["openapi"] == "3.1.0"
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {(e.method, re.sub(r":\w+}", "}", e.path)) for e in ENDPOINTS}
    for (_, path), operation in operations.items():
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert {"401", "403", "429", "503"} < set(operation["responses"])
        assert operation["summary"]
    assert len({operation["operationId"] for operation in operations.values()}) == len(ENDPOINTS)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(document)):
        assert reference in document["components"]["schemas"]


async def test_answers_are_what_the_document_says(placet: Product, pending: dict[str, Any]) -> None:
    """Runs, approvals, pages and problems fit their schemas."""
    document = (await placet.http.get("/openapi.json")).json()

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(value)

    await placet.reject(pending, comment="no")
    check("RunView", await placet.ended(pending["runId"]))
    check("ApprovalView", await placet.approval(pending["id"]))
    check("RunPage", (await placet.http.get("/v1/runs?limit=2")).json())
    check("ApprovalPage", (await placet.http.get("/v1/approvals?limit=2")).json())
    check("Problem", (await placet.decide(pending, "approve")).json())
    check("Problem", (await placet.decide(pending, "maybe")).json())
    check("Problem", (await placet.http.get("/v1/runs/none")).json())
    check("Decide", {"decision": "approve", "comment": "x"})
    with pytest.raises(jsonschema.ValidationError):
        check("Decide", {"decision": "approve", "extra": 1})
