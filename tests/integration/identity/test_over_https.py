"""Where the cookie of sessions goes, and who is asked how often."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from kit.browser import browser
from kit.product import problem
from kit.stack import ADMIN_KEY, Deployment
from placet import Placet
from placet_approval.handlers import sessions, users
from placet_approval.identity import UserChange
from placet_approval.store import identities
from placet_runtime.postgres import connect

PUBLIC = "https://placet.example.com"


@asynccontextmanager
async def approval(database_url: str, amqp_url: str, **options: Any) -> AsyncIterator[Deployment]:
    """An approval service with settings."""
    made = Deployment("local", Placet(), database_url, amqp_url, "unused")
    made.approval_options = options
    await made.start("approval")
    try:
        yield made
    finally:
        await made.stop()


async def link(database_url: str) -> str:
    """A login link for Ana, who is there."""
    async with connect(database_url, "approval", size=2) as pool, pool.acquire() as conn:
        if not await identities.users(conn, ["ana"]):
            await users.create(conn, UserChange("ana"))
        return await sessions.link(conn, "ana")


async def test_with_https_the_cookie_is_this_hosts_alone(database_url: str, amqp_url: str) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite, no domain; and forms count from the public origin alone."""
    async with approval(database_url, amqp_url, public_url=f"{PUBLIC}/") as running, browser(running, PUBLIC) as ana:
        path = await link(database_url)
        token = path.partition("#")[2]
        assert (await ana.post("/sign-in/link", origin="http://placet.example.com", token=token)).status_code == 403

        [cookie] = (await ana.use(path)).headers.get_list("set-cookie")
        assert (await ana.get("/v1/me")).json()["actor"] == "user:ana"

    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-placet=")
    assert set(attributes) == {"HttpOnly", "Max-Age=604800", "Path=/", "SameSite=lax", "Secure"}


async def test_over_a_network_without_tls_nobody_signs_in(database_url: str, amqp_url: str) -> None:
    """The page says why, and the link stays unused."""
    origin = "http://placet.example.com:8700"
    async with approval(database_url, amqp_url, public_url=origin) as running, browser(running, origin) as ana:
        answer = await ana.use(await link(database_url))

    assert (answer.status_code, ana.cookies) == (403, {})
    assert "needs https" in answer.text


async def test_failures_are_limited(database_url: str, amqp_url: str) -> None:
    """After some wrong keys an address is told to wait; keys that were right go on, and so does the admin's."""
    async with approval(database_url, amqp_url, failed_attempts=3) as running, running.http(ADMIN_KEY) as admin:
        key = (await admin.post("/v1/keys", json={"name": "ana", "role": "viewer"})).json()["key"]
        async with running.http(key) as ana, running.http("") as stranger:
            assert (await ana.get("/v1/me")).status_code == 200

            async def attempt(n: int) -> httpx2.Response:
                headers = {"Authorization": f"Bearer placet_0123456789ab_{n}"}
                return await stranger.get("/v1/me", headers=headers)

            assert [(await attempt(n)).status_code for n in range(3)] == [401] * 3
            refused = await attempt(3)

            problem(refused, 429, "too-many-failures")
            assert 0 < int(refused.headers["retry-after"]) <= 60
            assert (await ana.get("/v1/me")).status_code == 200
            assert (await admin.get("/v1/me")).status_code == 200
            assert (await stranger.get("/v1/me")).status_code == 401  # it shows nothing that could be wrong


async def test_wrong_links_are_limited_too(database_url: str, amqp_url: str) -> None:
    """A page that says to wait."""
    async with approval(database_url, amqp_url, failed_attempts=2) as running, browser(running) as ana:
        answers = [await ana.post("/sign-in/link", token=str(n)) for n in range(3)]

    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert "retry-after" in answers[-1].headers
