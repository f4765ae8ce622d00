"""Login links and sessions: who is signed in, how it ends, and what a page must show to change something."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from kit.browser import LOCAL, Browser, browser
from kit.costs import counted
from kit.product import Product, problem, product
from placet import Context, Interrupt, Placet
from placet_approval.domain import Role
from placet_approval.handlers import sessions
from placet_runtime.postgres import session_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()
COOKIE = "placet-8700"


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    return input if ctx.approved else Interrupt.approval(message="May I?")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


async def user(placet: Product, *roles: Role) -> str:
    """A new user's handle."""
    handle = f"u{uuid4().hex[:8]}"
    made = await placet.http.post("/v1/users", json={"handle": handle, "roles": roles})
    assert made.status_code == 201
    return handle


async def link(placet: Product, handle: str) -> str:
    settings = session_settings("approval", "placet tests")
    conn = await asyncpg.connect(placet.running.database_url, server_settings=settings)
    try:
        return await sessions.link(conn, handle)
    finally:
        await conn.close()


@pytest_asyncio.fixture(loop_scope="module")
async def ana(placet: Product) -> AsyncIterator[Browser]:
    """The browser of an approver who is signed in."""
    async with browser(placet.running) as made:
        assert (await made.use(await link(placet, await user(placet, "approver")))).status_code == 303
        yield made


async def me(on: Browser) -> Any:
    return (await on.get("/v1/me")).json()


async def test_a_link_signs_in_once(placet: Product) -> None:
    """Its button signs in as its user, with a cookie that no script reads; a second time it is refused."""
    handle = await user(placet, "viewer")
    path = await link(placet, handle)
    async with browser(placet.running) as first, browser(placet.running) as second:
        signed_in = await first.use(path)
        again = await second.use(path)

        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/inbox")
        assert f"user:{handle}" in (await first.get("/settings")).text
        assert (again.status_code, second.cookies) == (403, {})
        assert "has been used, or is too old" in again.text
    [cookie] = signed_in.headers.get_list("set-cookie")
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


async def test_fifty_uses_of_a_link_are_one(placet: Product) -> None:
    """At the same time, from wherever: one session."""
    token = (await link(placet, await user(placet))).partition("#")[2]
    async with browser(placet.running) as one:
        answers = await asyncio.gather(*(one.post("/sign-in/link", token=token) for _ in range(50)))

    assert sorted(answer.status_code for answer in answers) == [303] + [403] * 49


async def test_looking_at_a_link_uses_nothing_up(placet: Product) -> None:
    """What fetches the page, with whatever, leaves the link as it is; the token is in no address that is sent."""
    path = await link(placet, await user(placet))
    async with browser(placet.running, agent="Slackbot-LinkExpanding 1.0") as scanner, browser(placet.running) as ana:
        for address in (path, path.replace("#", "?token="), path.replace("#", "/")):
            for method in ("GET", "HEAD"):
                assert (await scanner.http.request(method, address)).status_code in (200, 404)

        assert scanner.cookies == {}
        assert (await ana.use(path)).status_code == 303


async def test_no_log_has_a_token(placet: Product, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither of a link, used or refused, nor of the session, nor of its forms."""
    path = await link(placet, await user(placet))
    with capture_logs() as logs:
        async with browser(placet.running) as one:
            await one.use(path)
            await one.post("/sign-in/link", token=path.partition("#")[2])
            tokens = [path.partition("#")[2], one.cookies[COOKIE], await one.token()]
            await one.post("/sign-out", token=tokens[2], everywhere="yes")
    written = "".join(capfd.readouterr()) + str(logs)

    assert not [token for token in tokens if token in written]


async def test_a_link_ends(placet: Product) -> None:
    """After its time, and with its user."""
    late, gone = await user(placet), await user(placet)
    too_late, no_more = await link(placet, late), await link(placet, gone)
    await placet.running.query(
        "approval",
        "UPDATE login_links AS l SET expires_at = now() FROM users AS u WHERE u.id = l.user_id AND u.handle = $1",
        late,
    )
    await placet.http.patch(f"/v1/users/{gone}", json={"disabled": True})

    async with browser(placet.running) as one:
        assert (await one.use(too_late)).status_code == 403
        assert (await one.use(no_more)).status_code == 403


async def test_another_sites_page_cannot_use_a_link(placet: Product) -> None:
    """So that nobody is signed in as somebody else without knowing; the link stays."""
    path = await link(placet, await user(placet))
    token = path.partition("#")[2]
    async with browser(placet.running) as one:
        for origin in ("https://evil.example", "null", "http://localhost:8701", "http://localhost:8700.evil.example"):
            assert (await one.post("/sign-in/link", origin=origin, token=token)).status_code == 403
        without = await one.http.post("/sign-in/link", data={"token": token})

        assert (without.status_code, one.cookies) == (403, {})
        assert (await one.use(path)).status_code == 303


async def test_signing_in_makes_a_new_session(placet: Product, ana: Browser) -> None:
    """A browser's cookie changes, and the one before opens nothing any more."""
    before = ana.cookies[COOKIE]
    await ana.use(await link(placet, await user(placet)))

    assert ana.cookies[COOKIE] != before
    async with browser(placet.running) as thief:
        problem(await thief.http.get("/v1/me", headers={"Cookie": f"{COOKIE}={before}"}), 401, "unauthorized")


async def test_a_session_does_what_its_user_may(placet: Product, ana: Browser) -> None:
    """An approver decides in the browser, and the history says who; what an approver may not do is refused."""
    approval = await placet.paused(await placet.start("asks"))
    token = (await me(ana))["token"]
    headers = {"Origin": LOCAL, "X-Placet-Token": token}

    start = await ana.http.post("/v1/runs", json={"workflow": "asks"}, headers=headers)
    decided = await ana.http.post(
        f"/v1/approvals/{approval['id']}/decisions", json={"decision": "approve"}, headers=headers
    )

    problem(start, 403, "forbidden")
    assert decided.json()["resolvedBy"] == (await me(ana))["actor"]
    assert decided.json()["resolvedBy"].startswith("user:u")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": LOCAL},
        {"Origin": LOCAL, "X-Placet-Token": ""},
        {"Origin": LOCAL, "X-Placet-Token": "x" * 43},
        {"X-Placet-Token": "own"},
        {"Origin": "null", "X-Placet-Token": "own"},
        {"Origin": "https://evil.example", "X-Placet-Token": "own"},
        {"Origin": "https://localhost:8700", "X-Placet-Token": "own"},
        {"Origin": LOCAL, "X-Placet-Token": "another"},
    ],
)
async def test_a_cookie_alone_changes_nothing(placet: Product, ana: Browser, headers: dict[str, str]) -> None:
    """Without the origin of our pages, and the token that only this session's pages have, a decision is refused."""
    approval = await placet.paused(await placet.start("asks"))
    async with browser(placet.running) as other:
        await other.use(await link(placet, await user(placet, "approver")))
        tokens = {"own": (await me(ana))["token"], "another": (await me(other))["token"]}
    sent = {name: tokens.get(value, value) for name, value in headers.items()}

    answer = await ana.http.post(
        f"/v1/approvals/{approval['id']}/decisions", json={"decision": "approve"}, headers=sent
    )

    problem(answer, 403, "forged")
    assert await placet.approval(approval["id"]) == approval


async def test_a_key_goes_before_a_cookie(placet: Product, ana: Browser) -> None:
    """A request with both is the key's, valid or not."""
    key = {"Authorization": f"Bearer {await placet.key('viewer', name := f'v-{uuid4().hex[:6]}')}"}

    assert (await ana.http.get("/v1/me", headers=key)).json()["actor"] == f"key:{name}"
    problem(await ana.http.get("/v1/me", headers={"Authorization": "Bearer nonsense"}), 401, "unauthorized")


async def test_signing_out_ends_the_session(placet: Product, ana: Browser) -> None:
    """On the server too: the cookie of before opens nothing. Without the form's token, nothing ends."""
    cookie = {"Cookie": f"{COOKIE}={ana.cookies[COOKIE]}"}
    assert (await ana.post("/sign-out", token="wrong")).status_code == 403
    assert (await ana.post("/sign-out", origin="https://evil.example", token=await ana.token())).status_code == 403
    assert (await ana.get("/v1/me")).status_code == 200

    out = await ana.post("/sign-out", token=await ana.token())

    assert out.status_code == 200
    assert ana.cookies == {}
    async with browser(placet.running) as thief:
        problem(await thief.http.get("/v1/me", headers=cookie), 401, "unauthorized")


@pytest.mark.parametrize("way", ["page", "own api", "admin", "disabled"])
async def test_sessions_end_everywhere(placet: Product, way: str) -> None:
    """By the user or by an administrator, all at once; other people's go on."""
    handle, other = await user(placet), await user(placet)
    async with (
        browser(placet.running, agent="laptop") as laptop,
        browser(placet.running, agent="phone") as phone,
        browser(placet.running) as theirs,
    ):
        for each in (laptop, phone):
            await each.use(await link(placet, handle))
        await theirs.use(await link(placet, other))
        listed = (await placet.http.get(f"/v1/users/{handle}/sessions")).json()["items"]
        assert [each["agent"] for each in listed] == ["phone", "laptop"]

        if way == "page":
            await laptop.post("/sign-out", token=await laptop.token(), everywhere="yes")
        elif way == "own api":
            token = (await me(laptop))["token"]
            answer = await laptop.http.delete("/v1/me/sessions", headers={"Origin": LOCAL, "X-Placet-Token": token})
            assert answer.json() == {"ended": 2}
        elif way == "admin":
            assert (await placet.http.delete(f"/v1/users/{handle}/sessions")).json() == {"ended": 2}
        else:
            await placet.http.patch(f"/v1/users/{handle}", json={"disabled": True})

        for each in (laptop, phone):
            problem(await each.get("/v1/me"), 401, "unauthorized")
            assert (await each.get("/settings")).headers["location"] == "/sign-in?next=/settings"
        assert (await theirs.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("column", ["seen_at = now() - interval '8 h'", "expires_at = now()"])
async def test_a_session_ends_by_itself(placet: Product, ana: Browser, column: str) -> None:
    """When nobody has used it for hours, and after a week in any case."""
    session = (await me(ana))["session"]
    await placet.running.query("approval", f"UPDATE sessions SET {column} WHERE id = $1", session)

    problem(await ana.get("/v1/me"), 401, "unauthorized")


async def test_what_an_open_page_asks_by_itself_keeps_nobody_signed_in(placet: Product, ana: Browser) -> None:
    """A tab that nobody looks at asks how many wait; what somebody opens counts."""
    session = (await me(ana))["session"]
    assert placet.running._approval is not None
    write = placet.running._approval.write_uses

    async def is_idle() -> bool:
        await write()
        [row] = await placet.running.query(
            "approval", "SELECT seen_at < now() - interval '6 h' AS idle FROM sessions WHERE id = $1", session
        )
        return bool(row["idle"])

    await write()
    await placet.running.query(
        "approval", "UPDATE sessions SET seen_at = now() - interval '7 h' WHERE id = $1", session
    )
    assert (await ana.get("/inbox/waiting")).status_code == 200
    assert await is_idle()
    assert (await ana.get("/inbox")).status_code == 200
    assert not await is_idle()


async def test_roles_count_at_once(placet: Product, ana: Browser) -> None:
    """A role that is taken away is gone with the next request of a session that goes on."""
    who = (await me(ana))["user"]["handle"]
    await placet.http.patch(f"/v1/users/{who}", json={"roles": []})

    assert (await me(ana))["roles"] == []
    problem(await ana.get("/v1/approvals"), 403, "forbidden")


async def test_a_dump_of_the_database_signs_nobody_in(placet: Product, ana: Browser) -> None:
    """Neither a session's token nor a link's is in it, nor what forms carry."""
    unused = (await link(placet, await user(placet))).partition("#")[2]
    tokens = [ana.cookies[COOKIE], unused, (await me(ana))["token"]]
    rows = [
        str(row)
        for table in ("sessions", "login_links", "users")
        for row in await placet.running.query("approval", f"SELECT t::text FROM {table} AS t")
    ]

    assert len(rows) > 3
    assert not [token for token in tokens if token in "\n".join(rows) or token.encode().hex() in "\n".join(rows)]


async def test_many_requests_of_sessions_are_one_look(
    placet: Product, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions are looked up many at a time, and nothing is written for them."""
    with counted(monkeypatch) as costs:
        answers = await asyncio.gather(*(ana.get("/v1/runs/none") for _ in range(40)))

    assert {answer.status_code for answer in answers} == {404}
    assert costs.statements["SELECT sessions"] <= 4
    assert not costs.writes


async def test_where_one_may_go_on_to(placet: Product, ana: Browser) -> None:
    """After signing in, to pages of this service and nowhere else."""

    async def leads(target: str) -> str:
        return str((await ana.http.get("/sign-in", params={"next": target})).headers["location"])

    assert await leads("/approvals/1?x=y") == "/approvals/1?x=y"
    for target in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "/a\nb", "evil"):
        assert await leads(target) == "/inbox"


async def test_the_page_of_a_link_works_without_scripts(placet: Product) -> None:
    """One can paste the token, or the whole link, into the form."""
    path = await link(placet, await user(placet))
    async with browser(placet.running) as one:
        answer = await one.post("/sign-in/link", token=f"{LOCAL}{path} ")

    assert answer.status_code == 303
