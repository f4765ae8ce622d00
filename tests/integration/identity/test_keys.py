"""Keys over the API, their owners, and when they end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from kit.costs import counted
from kit.product import Product, problem, product
from kit.waiting import eventually
from placet import Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", Placet(), postgres_url, amqp_url) as made:
        yield made


async def user(placet: Product, *roles: str) -> str:
    handle = f"u{uuid4().hex[:8]}"
    assert (await placet.http.post("/v1/users", json={"handle": handle, "roles": roles})).status_code == 201
    return handle


async def key(placet: Product, role: str, **more: Any) -> tuple[str, str]:
    """A new key's name, and itself."""
    name = f"k{uuid4().hex[:8]}"
    made = await placet.http.post("/v1/keys", json={"name": name, "role": role, **more})
    assert made.status_code == 201, made.text
    return name, made.json()["key"]


async def shown(placet: Product, name: str) -> dict[str, Any]:
    [found] = [each for each in (await placet.http.get("/v1/keys")).json()["items"] if each["name"] == name]
    return dict(found)


async def test_a_key_stands_for_its_owner(placet: Product) -> None:
    """It acts under its own name; who that is, is its owner."""
    owner = await user(placet, "approver")
    name, secret = await key(placet, "approver", owner=owner)
    async with placet.running.http(secret) as http:
        me = (await http.get("/v1/me")).json()

    assert (me["actor"], me["roles"], me["user"]["handle"]) == (f"key:{name}", ["approver"], owner)
    assert (me["session"], me["token"]) == (None, None)
    assert secret not in str(await shown(placet, name))


async def test_a_key_can_do_no_more_than_its_owner(placet: Product) -> None:
    """Who loses a role loses it for their keys, and gets it back; an administrator's key may have any role."""
    owner = await user(placet, "approver", "starter")
    problem(
        await placet.http.post("/v1/keys", json={"name": "x", "role": "admin", "owner": owner}), 422, "invalid-request"
    )
    _, secret = await key(placet, "starter", owner=owner)
    async with placet.running.http(secret) as http:
        for roles, status in ((["approver"], 403), (["starter"], 202), ([], 403), (["admin"], 202)):
            await placet.http.patch(f"/v1/users/{owner}", json={"roles": roles})
            assert (await http.post("/v1/runs", json={"workflow": "x"})).status_code == status


async def test_who_is_disabled_has_no_keys(placet: Product) -> None:
    """They are refused with the next request, and work again when their owner is let in again."""
    owner = await user(placet, "viewer")
    _, secret = await key(placet, "viewer", owner=owner)
    async with placet.running.http(secret) as http:
        assert (await http.get("/v1/runs")).status_code == 200
        await placet.http.patch(f"/v1/users/{owner}", json={"disabled": True})
        problem(await http.get("/v1/runs"), 401, "unauthorized")
        await placet.http.patch(f"/v1/users/{owner}", json={"disabled": False})
        assert (await http.get("/v1/runs")).status_code == 200


async def test_a_key_expires(placet: Product) -> None:
    """And says so in the list."""
    name, secret = await key(placet, "viewer", expiresIn=3600)
    async with placet.running.http(secret) as http:
        assert (await http.get("/v1/runs")).status_code == 200
        assert (await shown(placet, name))["state"] == "valid"
        await placet.running.query("approval", "UPDATE api_keys SET expires_at = now() WHERE name = $1", name)
        problem(await http.get("/v1/runs"), 401, "unauthorized")
    assert (await shown(placet, name))["state"] == "expired"


async def test_a_revoked_key_is_refused(placet: Product) -> None:
    """From its next request on; revoking again is no error; its name is never given again."""
    name, secret = await key(placet, "viewer")
    async with placet.running.http(secret) as http:
        assert (await http.get("/v1/runs")).status_code == 200
        for _ in range(2):
            assert (await placet.http.delete(f"/v1/keys/{name}")).json()["state"] == "revoked"
        problem(await http.get("/v1/runs"), 401, "unauthorized")
    problem(await placet.http.post("/v1/keys", json={"name": name, "role": "viewer"}), 409, "name-taken")
    problem(await placet.http.delete("/v1/keys/none"), 404, "not-found")


async def test_when_a_key_was_used_is_known(placet: Product) -> None:
    """To the minute, without a write for each request."""
    name, secret = await key(placet, "viewer")
    assert (await shown(placet, name))["lastUsedAt"] is None
    async with placet.running.http(secret) as http:
        await http.get("/v1/runs")
    assert placet.running._approval is not None
    await placet.running._approval.write_uses()

    async def used() -> bool:
        return (await shown(placet, name))["lastUsedAt"] is not None

    await eventually(used)


async def test_many_requests_with_keys_are_one_look(placet: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are looked up many at a time, with their owners, and nothing is written for them."""
    _, secret = await key(placet, "viewer", owner=await user(placet, "viewer"))
    async with placet.running.http(secret) as http:
        with counted(monkeypatch) as costs:
            answers = await asyncio.gather(*(http.get("/v1/runs/none") for _ in range(40)))

    assert {answer.status_code for answer in answers} == {404}
    assert costs.statements["SELECT api_keys"] <= 4
    assert {statement for statement in costs.statements if not statement.startswith("SELECT")} == set()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/keys", {"name": "x"}),
        ("/v1/keys", {"name": "x", "role": "root"}),
        ("/v1/keys", {"name": "", "role": "viewer"}),
        ("/v1/keys", {"name": "a\u0000b", "role": "viewer"}),
        ("/v1/keys", {"name": " x", "role": "viewer"}),
        ("/v1/keys", {"name": "x", "role": "viewer", "expiresIn": 0}),
        ("/v1/keys", {"name": "x", "role": "viewer", "expires_in": 5}),
        ("/v1/users", {"handle": "A"}),
        ("/v1/users", {"handle": "a\u0000"}),
        ("/v1/users", {"handle": "x", "role": "admin"}),
        ("/v1/users", {"handle": "x", "roles": ["root"]}),
        ("/v1/users", {"handle": "x", "emails": ["x"]}),
        ("/v1/users", {"handle": "x", "name": "\n"}),
        ("/v1/groups", {"name": "no spaces"}),
        ("/v1/groups", {"name": "x", "members": ["a\u0000"]}),
    ],
)
async def test_what_does_not_fit_is_refused(placet: Product, path: str, body: dict[str, Any]) -> None:
    """With a reason, and without effect."""
    before = (await placet.http.get(path)).json()

    problem(await placet.http.post(path, json=body), 422, "invalid-request")

    assert (await placet.http.get(path)).json() == before


async def test_users_come_in_pages(placet: Product) -> None:
    """In the order of their handles, each once."""
    made = {await user(placet) for _ in range(5)}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await placet.http.get("/v1/users", params={"limit": 2, "cursor": cursor})).json()
        seen += [each["handle"] for each in page["items"]]
        cursor = page["nextCursor"]

    assert made <= set(seen)
    assert seen == sorted(set(seen))


async def test_what_belongs_to_one_is_nobody_elses(placet: Product) -> None:
    """An address, a Slack user, an alias."""
    one, other = await user(placet), await user(placet)
    for field, value in (("emails", "x@example.com"), ("slack", "T0001/U0001"), ("aliases", "x")):
        assert (await placet.http.patch(f"/v1/users/{one}", json={field: [value]})).status_code == 200
        problem(await placet.http.patch(f"/v1/users/{other}", json={field: [value]}), 409, "identity-taken")


async def test_who_is_asked_for_must_be_there(placet: Product) -> None:
    """Users, groups, members, owners."""
    for method, path, body in (
        ("GET", "/v1/users/none", None),
        ("PATCH", "/v1/users/none", {"name": "x"}),
        ("DELETE", "/v1/users/none/sessions", None),
        ("GET", "/v1/groups/none", None),
        ("DELETE", "/v1/groups/none", None),
        ("POST", "/v1/groups", {"name": "some", "members": ["none"]}),
        ("POST", "/v1/keys", {"name": "some", "role": "viewer", "owner": "none"}),
    ):
        problem(await placet.http.request(method, path, json=body), 404, "not-found")
