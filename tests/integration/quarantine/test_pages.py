"""The quarantine in the browser, as an admin uses it without any script."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from uuid import uuid4

import pytest
import pytest_asyncio

from kit.browser import Browser, browser
from kit.messages import Messages, keep, start
from kit.product import Product
from placet_approval.domain import Role
from placet_approval.handlers import sessions, users
from placet_approval.identity import UserChange

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def sign_in(placet: Product, on: Browser, role: Role) -> str:
    """Have a browser be that of a new user; their handle."""
    handle = f"u{uuid4().hex[:8]}"
    async with placet.running.connection() as conn:
        await users.create(conn, UserChange(handle, roles=frozenset({role})))
        link = await sessions.link(conn, handle)
    assert (await on.use(link)).status_code == 303
    return handle


@pytest_asyncio.fixture(loop_scope="module")
async def admin(placet: Product) -> AsyncIterator[Browser]:
    async with browser(placet.running) as made:
        made.handle = await sign_in(placet, made, "admin")  # type: ignore[attr-defined]
        yield made


def text(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def names(page: str) -> list[str]:
    """The messages that a list or a form is about."""
    return re.findall(r'name="id" value="([^"]+)"', page)


async def kept(placet: Product, messages: Messages, body: bytes | None = None, reason: str = "misspelt") -> str:
    """A message in the executor's quarantine, as pages name it, once it is shown."""
    id = await keep(placet.running, "executor", body or start(uuid4().hex, verison=1), reason)
    await messages.becomes("executor", id, outcome=None)
    return f"executor/{id}"


async def test_nothing_is_quarantined_at_first(placet: Product, messages: Messages, admin: Browser) -> None:
    """And the page says what would be there; the navigation leads to it."""
    assert await messages.listed() == []
    page = await admin.get("/quarantine")

    assert page.status_code == 200
    assert "Nothing is quarantined Messages that a service cannot read would wait here." in text(page.text)
    assert '<a href="/quarantine" aria-current="page">' in page.text


@pytest.mark.parametrize("role", ["approver", "starter", "viewer"])
async def test_who_is_no_admin_sees_nothing_of_it(placet: Product, messages: Messages, role: Role) -> None:
    """No link, no list, no message, and no button that works."""
    name = await kept(placet, messages, reason="a secret reason")
    async with browser(placet.running) as other:
        await sign_in(placet, other, role)
        assert "/quarantine" not in (await other.get("/inbox")).text
        for path in ("/quarantine", f"/quarantine/{name}", f"/quarantine/confirm?action=discard&id={name}"):
            page = await other.get(path)
            assert (page.status_code, "a secret reason" in page.text) == (403, False)
        for action in ("replay", "discard"):
            answer = await other.post(f"/quarantine/{action}", id=name, token=await other.token())
            assert answer.status_code == 403
    service, _, id = name.partition("/")
    assert (await messages.get(service, id) or {})["asked"] is None


async def test_a_message_from_list_to_replay(placet: Product, messages: Messages, admin: Browser) -> None:
    """Seen in the list, looked at, replayed with one button; the page says that it waits, and then what came of it."""
    run = uuid4().hex
    name = await kept(placet, messages, start(run, id=f"<b>{run}</b>"), "it was <i>tired</i>")
    listed = await admin.get("/quarantine?service=executor")
    assert name in names(listed.text)
    assert 'name="token"' not in listed.text  # its form's fields go into an address
    assert f"&lt;b&gt;{run}&lt;/b&gt;" in listed.text
    assert "it was &lt;i&gt;tired&lt;/i&gt;" in listed.text

    page = await admin.get(f"/quarantine/{name}")
    assert page.status_code == 200
    assert "takes in the same bytes again" in text(page.text)
    [shown] = re.findall(r"<pre[^>]*>(.*?)</pre>", page.text, re.DOTALL)
    assert json.loads(unescape(shown))["data"] == {"workflow": "echo", "runId": run, "input": 1}

    await placet.running.stop("executor")
    try:
        assert names(page.text) == [name]
        sent = await admin.post("/quarantine/replay", id=name, token=await admin.token())
        assert (sent.status_code, sent.headers["location"]) == (303, f"/quarantine/{name}")
        waiting = text((await admin.get(f"/quarantine/{name}")).text)
        assert f"Replay was asked for by {admin.handle}" in waiting  # type: ignore[attr-defined]
        assert "if that is down, it does it once it is back" in waiting
        assert "replay asked for" in text((await admin.get("/quarantine")).text)
    finally:
        await placet.running.start("executor")

    await messages.becomes(*name.split("/"), outcome="replayed")
    done = await admin.get(f"/quarantine/{name}")
    assert f"It was taken in after all by {admin.handle}" in text(done.text)  # type: ignore[attr-defined]
    assert (names(done.text), run in done.text.partition("<main")[2].partition("What it says")[2]) == ([], False)
    assert (await placet.ended(run))["output"] == 1


@pytest.mark.slow
async def test_what_is_refused_once_more_says_so(placet: Product, messages: Messages, admin: Browser) -> None:
    """With the new reason, and who had it replayed; it can be asked for again."""
    name = await kept(placet, messages, reason="an old reason")
    await admin.post("/quarantine/replay", id=name, token=await admin.token())
    await messages.becomes(*name.split("/"), refusedAt=True)

    page = await admin.get(f"/quarantine/{name}")
    assert f"Replayed by {admin.handle}" in text(page.text)  # type: ignore[attr-defined]
    assert "verison: Extra inputs are not permitted" in text(page.text)
    assert names(page.text) == [name]


@pytest.mark.slow
async def test_several_are_discarded_after_a_question(placet: Product, messages: Messages, admin: Browser) -> None:
    """The form leads to a page that asks; that one's button does it, and the list says how many."""
    mine = [await kept(placet, messages) for _ in range(3)]
    asks = await admin.get("/quarantine/confirm?action=discard&" + "&".join(f"id={name}" for name in mine))
    assert "Discard 3 messages?" in text(asks.text)
    assert names(asks.text) == mine

    token = await admin.token()
    sent = await admin.http.post(
        "/quarantine/discard", data={"id": mine, "token": token}, headers={"Origin": admin.origin}
    )

    assert (sent.status_code, sent.headers["location"]) == (303, "/quarantine")
    assert "3 messages will be deleted." in text((await admin.get("/quarantine")).text)
    for name in mine:
        await messages.becomes(*name.split("/"), outcome="discarded")
    assert not {*mine} & {*names((await admin.get("/quarantine")).text)}


@pytest.mark.slow
async def test_somebody_else_was_faster(placet: Product, messages: Messages, admin: Browser) -> None:
    """On a page that was left open: it is told what became of the message, and nothing else is done."""
    gone, there = await kept(placet, messages), await kept(placet, messages)
    await messages.ask("discard", *gone.split("/"))
    await messages.becomes(*gone.split("/"), outcome="discarded")

    stale = await admin.post("/quarantine/replay", id=gone, token=await admin.token())
    assert stale.status_code == 409
    assert "it was discarded by key:admin" in text(stale.text)
    asks = text((await admin.get(f"/quarantine/confirm?action=discard&id={gone}&id={there}")).text)
    assert "Discard 1 message?" in asks
    assert "1 more message of those that you have selected is not among these" in asks
    nothing = await admin.get(f"/quarantine/confirm?action=discard&id={gone}")
    assert "Nothing to discard" in text(nothing.text)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/quarantine?cursor=x", 422),
        ("/quarantine/executor/x", 404),
        ("/quarantine/nobody/a3bb189e-8bf9-3888-9912-ace4e6543002", 404),
        ("/quarantine/executor/a3bb189e-8bf9-3888-9912-ace4e6543002", 404),
        ("/quarantine/confirm?action=discard", 422),
        ("/quarantine/confirm?action=burn&id=executor/a3bb189e-8bf9-3888-9912-ace4e6543002", 422),
        ("/quarantine/confirm?action=replay&id=x", 404),
    ],
)
async def test_what_does_not_fit_is_told(admin: Browser, path: str, status: int) -> None:
    """As a page, with the status that it has."""
    page = await admin.get(path)

    assert page.status_code == status
    assert 'role="alert"' in page.text


async def test_a_form_from_elsewhere_does_nothing(placet: Product, messages: Messages, admin: Browser) -> None:
    """Without the token of this session's page, or from another site."""
    name = await kept(placet, messages)
    token = await admin.token()
    assert (await admin.post("/quarantine/discard", id=name)).status_code == 403
    assert (await admin.post("/quarantine/discard", "https://evil.example", id=name, token=token)).status_code == 403

    service, _, id = name.partition("/")
    assert (await messages.get(service, id) or {})["asked"] is None


async def test_pages_follow_each_other(placet: Product, messages: Messages, admin: Browser) -> None:
    """Filters stay; each message is on one page, the latest first."""
    type = "notification.requested.v1"
    mine = [f"notifier/{await keep(placet.running, 'notifier', f'page {n}'.encode(), 'why', type)}" for n in range(60)]
    await messages.becomes(*mine[-1].split("/"), outcome=None)

    found: list[str] = []
    path: str | None = f"/quarantine?service=notifier&type={type}"
    while path:
        page = (await admin.get(path)).text
        found += names(page)
        links = [unescape(each) for each in re.findall(r'rel="next" href="([^"]+)"', page)]
        assert all("service=notifier" in link and f"type={type}" in link for link in links)
        path = links[0] if links else None
    assert found == mine[::-1]
