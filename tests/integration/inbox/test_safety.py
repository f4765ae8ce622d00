"""What no page of the inbox lets anybody do: every route, as the table has it."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from starlette.routing import Route

from kit.browser import Browser, browser, signed_in
from kit.company import PARTS, address, company_at_work, pages, routes
from kit.product import Product
from placet_approval.inbox.rendering import HEADERS
from placet_approval.inbox.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

POSTS = routes("POST")
ANOTHER = "https://evil.example"
# What goes on by itself: who is seen, what is sent, sealed and heard of.
_MOVES = {"sessions", "views", "outbox", "outbox_acks", "audit_seals", "workers", "workflows", "api_keys"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def company(postgres_url: str) -> AsyncIterator[Product]:
    """The demo's company, with something on every page."""
    async with company_at_work(postgres_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ana(company: Product) -> AsyncIterator[Browser]:
    """Somebody who may do everything."""
    async with signed_in(company.running, "ana") as made:
        yield made


async def state(placet: Product) -> dict[str, Any]:
    """All that the approval service has written down, but for what goes on by itself."""
    running = placet.running
    tables = await running.query("approval", "SELECT tablename FROM pg_tables WHERE schemaname = 'approval'")
    return {
        name: (
            await running.query(
                "approval",
                f"SELECT count(*) AS rows, md5(string_agg(t::text, ',' ORDER BY t::text)) AS digest "
                f"FROM (SELECT to_jsonb(r) - 'viewed' AS t FROM {name} AS r) AS s",
            )
        )[0]
        for name in sorted(row["tablename"] for row in tables)
        if name not in _MOVES
    }


def filled(route: str) -> str:
    """An address of a route, of something that may be there."""
    return re.sub(r"{handle}", "bo", re.sub(r"{name}", "finance", re.sub(r"{[^}]*}", str(UUID(int=1)), route)))


@pytest.mark.parametrize("route", POSTS)
async def test_a_form_of_another_site_does_nothing(company: Product, ana: Browser, route: str) -> None:
    """With the cookie, and even with the right token: from another origin, from none, or without the session's token,
    it is refused, and nothing has changed."""
    token = await ana.token()
    before = await state(company)
    path = filled(route)

    answers = [
        await ana.http.post(path, data={"token": token}, headers={"Origin": ANOTHER}),
        await ana.http.post(path, data={"token": token}, headers={"Origin": "null"}),
        await ana.http.post(path, data={"token": token}),
    ]
    if route != "/sign-in/link":  # has no session yet
        answers += [await ana.post(path), await ana.post(path, token="other"), await ana.post(path, token=token[:-1])]

    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert await state(company) == before


async def test_the_token_of_another_session_does_nothing(company: Product, ana: Browser) -> None:
    """Somebody else's token proves nothing, and neither does that of another session of one's own."""
    async with signed_in(company.running, "bo") as bo, signed_in(company.running, "ana") as elsewhere:
        for other in (bo, elsewhere):
            answer = await ana.post("/inbox/undo", token=await other.token(), id=str(UUID(int=1)))
            assert answer.status_code == 403


@pytest.mark.parametrize("route", [route for route in POSTS if not route.startswith("/sign-")])
async def test_whoever_is_not_signed_in_does_nothing(company: Product, route: str) -> None:
    """Without a session a form is answered by the way in."""
    async with browser(company.running) as nobody:
        answer = await nobody.post(filled(route), token="x")

    assert answer.status_code == 401


async def test_every_answer_forbids_frames_and_foreign_content(company: Product, ana: Browser) -> None:
    """Pages, parts, errors, redirects and refusals carry the same headers; nothing is kept by anybody in between."""
    async with browser(company.running) as nobody:
        for someone in (ana, nobody):
            for route, example in pages():
                check(await someone.get(await address(company.running, route, example)))
            for route in PARTS - {"/live"}:
                check(await someone.get(route))
            for route in POSTS:
                check(await someone.post(filled(route)))


async def test_files_and_what_is_not_there_forbid_frames_too(company: Product, ana: Browser) -> None:
    """Style sheets, scripts, and pages that there are not."""
    for path in ("/static/placet.css", "/static/placet.js", "/static/nothing.js", "/nothing", "/approvals/none"):
        answer = await ana.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path


def check(answer: httpx2.Response) -> None:
    found = {name: answer.headers.get(name) for name in HEADERS}
    assert found == HEADERS, answer.request.url


async def test_the_policy_allows_nothing_but_its_own_files() -> None:
    """No inline scripts or styles, no eval, no other origin, no frames, no plug-ins."""
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))

    assert policy.pop("default-src") == "'none'"
    assert policy.pop("frame-ancestors") == "'none'"
    assert policy.pop("base-uri") == "'none'"
    assert set(policy.values()) == {"'self'"}


async def test_looking_changes_nothing(company: Product, ana: Browser) -> None:
    """GET and HEAD of every page and part leave all as it was, but for who has looked."""
    before = await state(company)

    for route, example in pages():
        if not route.startswith("/sign-in"):
            path = await address(company.running, route, example)
            await ana.get(path)
            await ana.http.head(path)
            await ana.get(f"{path}{'&' if '?' in path else '?'}decision=approve&id={UUID(int=1)}")
    for route in POSTS:
        if "GET" not in methods(route):
            assert (await ana.get(filled(route))).status_code in (404, 405)

    assert await state(company) == before


def methods(path: str) -> set[str]:
    return {method for each in ROUTES if isinstance(each, Route) and each.path == path for method in each.methods or ()}
