"""Who may see and do what in settings: every route with every role."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route

from kit.browser import browser, signed_in
from kit.office import Office
from kit.people import know
from placet_approval.domain import Role
from placet_approval.inbox.views.settings import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES: list[Role] = ["admin", "approver", "starter", "viewer"]
ALL = set(ROLES)
ADMIN: set[Role] = {"admin"}
FOR_OTHERS_THAN_ADMINS: dict[str, set[Role]] = {
    "GET /settings": ALL,
    "POST /settings/sessions": ALL,
    "GET /settings/away": ALL,
    "POST /settings/away": {"admin", "approver"},
    "POST /settings/away/{id}/end": {"admin", "approver"},
}
NOTHING_THERE = "01900000-0000-7000-8000-000000000000"


def operations() -> Iterator[tuple[str, str]]:
    for route in ROUTES:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path


def address(path: str) -> str:
    """With names of what is not there, so that nothing comes of it."""
    return re.sub(r"{\w+}", NOTHING_THERE, path)


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_with_every_role(office: Office, role: Role) -> None:
    """What a role is not for is 403, and has no effect; whoever may is told what is not there, or does not fit."""
    handle = f"some-{role}"
    await know(office.placet, handle, role=role)
    before = await everything(office)
    async with signed_in(office.placet.running, handle) as somebody:
        token = await somebody.token()
        for method, path in operations():
            name, url = f"{method} {path}", address(path)
            answer = await (somebody.get(url) if method == "GET" else somebody.post(url, token=token))
            if role in FOR_OTHERS_THAN_ADMINS.get(name, ADMIN):
                assert answer.status_code in (200, 404, 422), (name, answer.text)
            else:
                assert answer.status_code == 403, (name, answer.status_code)
                assert "You may not do this" in answer.text
    assert await everything(office) == before


async def everything(office: Office) -> list[Any]:
    """All that admins can change."""
    http = office.placet.http
    paths = ("users?limit=200", "groups", "policies", "delegations")
    found = [(await http.get(f"/v1/{path}")).json()["items"] for path in paths]
    keys = [key | {"lastUsedAt": None} for key in (await http.get("/v1/keys")).json()["items"]]
    return [*found, keys]


async def test_nobody_sees_nothing(office: Office) -> None:
    """Who is not signed in is sent to sign in, and a form of theirs does nothing."""
    async with browser(office.placet.running) as nobody:
        for method, path in operations():
            answer = await (nobody.get(address(path)) if method == "GET" else nobody.post(address(path)))
            if method == "GET":
                assert answer.status_code == 303, path
                assert answer.headers["location"].startswith("/sign-in?next=")
            else:
                assert answer.status_code == 401, path


@pytest.mark.parametrize("token", ["", "x" * 43])
async def test_a_form_that_is_not_of_this_session_does_nothing(office: Office, token: str) -> None:
    """Whatever it is: 403."""
    before = await everything(office)
    async with signed_in(office.placet.running, "eve") as eve:
        for method, path in operations():
            if method == "POST":
                assert (await eve.post(address(path), token=token)).status_code == 403, path
                evil = await eve.post(address(path), origin="https://evil.example", token=await eve.token())
                assert evil.status_code == 403, path
    assert await everything(office) == before


async def test_tabs_are_of_what_one_may_see(office: Office) -> None:
    """An approver's are the account and absences."""

    async def tabs(handle: str) -> list[str]:
        async with signed_in(office.placet.running, handle) as somebody:
            page = await somebody.page("/settings")
            [nav] = page.of("nav", **{"aria-label": "Settings"})
            return nav.text.split()

    assert await tabs("ana") == ["Account", "Absences"]
    assert await tabs("eve") == ["Account", "Absences", "Users", "Groups", "API", "keys", "Policies"]


async def test_routes_are_no_others(office: Office) -> None:
    """Nothing else is below settings, so that nothing is missed above."""
    assert all(isinstance(route, Route) and route.path.startswith("/settings") for route in ROUTES)
    assert FOR_OTHERS_THAN_ADMINS.keys() <= {f"{method} {path}" for method, path in operations()}
