"""The pages on runs, as a browser without scripts sees them."""

import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio

from kit.browser import Browser, fields, signed_in
from kit.people import know
from kit.product import Product, product
from kit.waiting import eventually
from placet import Context, Interrupt, Placet
from placet_approval.inbox.views import runs as views

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()


async def add(one: int, other: int) -> int:
    return one + other


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    """Ask, and answer."""
    await ctx.step("add <up>", add, 1, 2)
    return {"said": "<yes>"} if ctx.approved else Interrupt.approval(title="Pay <17>?")


@app.workflow("breaks", retries=1)
async def breaks(ctx: Context, input: Any) -> Any:
    raise LookupError("no <such> order")


@app.workflow("returns")
async def returns(ctx: Context, input: Any) -> Any:
    return input


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        await know(made, "ana", role="starter")
        await know(made, "vi", role="viewer")
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "ana") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def vi(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "vi") as made:
        yield made


async def page(on: Browser, path: str, status: int = 200) -> str:
    answer = await on.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def listed(shown: str) -> list[str]:
    """The ids of the runs in a list, in order."""
    return re.findall(r'<a class="mono id" href="[^"]*">([^<]*)</a>', shown)


async def test_the_list_shows_runs_as_they_stand(placet: Product, ana: Browser) -> None:
    """The newest first, with status, gate, requester and version."""
    older = await placet.start("returns", 1)
    await placet.ended(older)
    newer = await placet.start("asks")
    await placet.paused(newer)

    shown = await page(ana, "/runs")

    assert listed(shown)[:2] == [newer, older]
    first, second = shown.split("<tr>")[2:4]
    assert "paused</span>" in first
    assert "at approval" in first
    assert 'asks<span class="muted">@1</span>' in first
    assert "the key admin" in first
    assert "completed</span>" in second


async def test_filters_stand_in_the_address(placet: Product, ana: Browser) -> None:
    """Workflow, status, parked, a whole id, a part of an id or of the requester; alone and together."""
    mark = f"filter-{uuid4().hex[:6]}"
    ended = await placet.start("returns", runId=f"{mark}/Ended")
    await placet.ended(ended)
    waits = await placet.start("asks", runId=f"{mark}/waits")
    await placet.paused(waits)
    parked = await placet.start("served-by-nobody", runId=f"{mark}/parked")

    async def is_parked() -> bool:
        return bool((await placet.run(parked))["parked"])

    await eventually(is_parked)

    async def found(query: str) -> list[str]:
        return [id for id in listed(await page(ana, f"/runs?{query}")) if id.startswith(mark)]

    assert await found(f"q={mark}") == [parked, waits, ended]
    assert await found(f"q={mark.upper()}&status=paused") == [waits]
    assert await found(f"q={ended}") == [ended]
    assert await found(f"q={mark}%") == []
    assert await found("workflow=returns") == [ended]
    assert await found("parked=true") == [parked]
    assert await found("status=completed&workflow=asks") == []
    assert await found("q=key:ADMIN") == [parked, waits, ended]
    assert "in the newest 10,000 runs" in await page(ana, f"/runs?q={mark}")
    assert "in the newest 10,000 runs" not in await page(ana, f"/runs?q={ended}")
    assert "No such runs" in await page(ana, "/runs?q=there-is-no-such-run")
    assert "there is no status &#39;ended&#39;" in await page(ana, "/runs?status=ended", 422)
    assert "does not fit" in await page(ana, "/runs?after=yesterday", 422)


async def test_pages_follow_each_other_without_gap(
    placet: Product, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By links, with the filters kept."""
    monkeypatch.setattr(views, "PAGE", 2)
    mark = f"page-{uuid4().hex[:6]}"
    runs = [await placet.start("returns", n, runId=f"{mark}-{n}") for n in range(5)]
    url: str | None = f"/runs?q={mark}&workflow=returns"
    seen = []
    while url is not None:
        shown = await page(ana, url)
        seen.append(listed(shown))
        link = re.search(r'rel="next" href="([^"]*)"', shown)
        url = None if link is None else link[1].replace("&amp;", "&")

    assert seen == [runs[4:2:-1], runs[2:0:-1], runs[:1]]


async def test_a_run_shows_what_happened_in_words_and_as_a_picture(placet: Product, ana: Browser) -> None:
    """Steps, the pause with who decided, input and output; what others wrote is escaped."""
    run = await placet.start("asks", {"note": "<b>"})
    approval = await placet.paused(run)
    await placet.approve(approval, comment="looks <fine>")
    await placet.ended(run)

    shown = await page(ana, f"/runs/{run}")

    assert "<title>asks" in shown
    assert "add &lt;up&gt;" in shown
    assert f'Paused at <a href="/approvals/{approval["id"]}">approval</a>' in shown
    assert "looks &lt;fine&gt;" in shown
    assert "&lt;yes&gt;" in shown
    assert "&lt;b&gt;" in shown
    assert "Requested by" in shown
    drawn = ET.fromstring(shown[shown.index('<svg class="lane"') : shown.index("</svg>\n</div>") + len("</svg>")])
    titles = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "What the run did, in time"
    assert re.fullmatch(r"1: add <up>, .* m?s", titles[1] or "")
    assert re.fullmatch(r"2: approval, .*, approved by the key admin", titles[2] or "")
    assert f'href="/start?from={run}"' in shown
    assert "hx-get" not in shown.split('id="run"')[1]


async def test_a_run_that_waits_leads_to_what_it_asks_for(placet: Product, ana: Browser) -> None:
    """It says for whom, and its page follows it."""
    run = await placet.start("asks")
    approval = await placet.paused(run)

    shown = await page(ana, f"/runs/{run}")

    assert f'<a href="/approvals/{approval["id"]}">Pay &lt;17&gt;?</a>' in shown
    assert "needs 1 more, anybody with the role approver" in shown
    assert f'hx-get="/runs/{run}" hx-trigger="moved-' in shown
    assert "/start?from" not in shown


async def test_a_failed_run_shows_where_it_raised(placet: Product, ana: Browser) -> None:
    """Its error with the traceback, and that of each attempt before."""
    run = await placet.start("breaks")
    await placet.ended(run)

    shown = await page(ana, f"/runs/{run}")

    assert "It failed with <code>LookupError</code>" in shown
    assert "no &lt;such&gt; order" in shown
    assert "Attempt 1 failed, and was tried again" in shown
    assert shown.count("in breaks\n    raise LookupError(") == 2
    assert "Failed after" in shown
    assert "1 retry" in shown


async def test_a_long_value_is_shown_in_part(placet: Product, ana: Browser) -> None:
    """With the way to all of it."""
    run = await placet.start("returns", "x" * 100_000)
    await placet.ended(run)

    shown = await page(ana, f"/runs/{run}")

    assert len(shown) < 200_000
    assert shown.count("This is long: 100,002 characters.") == 2
    assert f'href="/v1/runs/{run}"' in shown
    assert (await ana.get(f"/v1/runs/{run}")).json()["output"] == "x" * 100_000


async def test_cancelling_is_for_those_who_may(placet: Product, ana: Browser, vi: Browser) -> None:
    """A starter has the button, in place and without a script; a viewer has none, and is refused."""
    run = await placet.start("asks", runId=f"cancel/{uuid4().hex[:6]}")
    approval = await placet.paused(run)
    action = f"/runs/{run}/cancel"

    assert action not in await page(vi, f"/runs/{run}")
    refused = await vi.post(action, token=await vi.token())
    assert refused.status_code == 403
    assert (await placet.run(run))["status"] == "paused"

    answer = await ana.post(action, **fields(await page(ana, f"/runs/{run}"), action))

    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run}")
    assert (await placet.approval(approval["id"]))["status"] == "cancelled"
    assert (await placet.ended(run))["cancelledBy"] == "user:ana"
    shown = await page(ana, f"/runs/{run}")
    assert "The run is cancelled." in shown
    assert "Cancelled by" in shown
    assert action not in shown


async def test_cancelling_what_has_ended_says_how_it_ended(placet: Product, ana: Browser) -> None:
    """The page was open for too long."""
    run = await placet.start("asks")
    approval = await placet.paused(run)
    page_before = await page(ana, f"/runs/{run}")
    assert f"/runs/{run}/cancel" in page_before
    await placet.approve(approval)
    await placet.ended(run)

    await ana.post(f"/runs/{run}/cancel", token=await ana.token())

    assert "This run had ended before: it is completed." in await page(ana, f"/runs/{run}")


async def test_another_sites_form_cancels_nothing(placet: Product, ana: Browser) -> None:
    """Nor does one without this session's token, nor a link."""
    run = await placet.start("asks")
    await placet.paused(run)
    action = f"/runs/{run}/cancel"

    elsewhere = await ana.post(action, origin="https://evil.example", token=await ana.token())
    without = await ana.post(action)
    followed = await ana.get(action)

    assert [answer.status_code for answer in (elsewhere, without, followed)] == [403, 403, 404]
    assert (await placet.run(run))["cancelledBy"] is None


async def test_the_address_where_runs_were_started_leads_to_where_they_are(ana: Browser) -> None:
    """With all that it says."""
    for asked in ("", "?workflow=asks&version=1", "?from=some-run"):
        answer = await ana.get(f"/runs/new{asked}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/start{asked}")


@pytest.mark.parametrize("id", ["new", "a/../b", "a/./b/..", "new/cancel", "x/"])
async def test_every_run_has_a_page(placet: Product, ana: Browser, id: str) -> None:
    """Whatever its id; its link is read by browsers as it stands."""
    await placet.start("returns", runId=id)
    links = re.findall(r'<a class="mono id" href="([^"]+)">([^<]+)</a>', await page(ana, "/runs"))
    [link] = [link for link, shown in links if shown == id]

    assert urlsplit(urljoin("https://placet.example/runs", link)).path == link
    assert f"<title>returns · {id} " in await page(ana, link)
    answer = await ana.post(f"{link}/cancel", token=await ana.token())
    assert answer.headers["location"] == link


@pytest.mark.parametrize("id", ["no-such-run", "%00", "a%2Fb", "%3Cb%3E"])
async def test_a_run_that_is_not_there_is_not_found(ana: Browser, id: str) -> None:
    """Whatever the address has in it."""
    assert "There is no" in await page(ana, f"/runs/{id}", 404)


async def test_without_runs_the_list_says_what_will_be_there(postgres_url: str, amqp_url: str) -> None:
    """And the way to start one, for those who may."""
    async with product("local", app, postgres_url, amqp_url) as bare:
        await know(bare, "ana", role="starter")
        await know(bare, "vi", role="viewer")
        for handle, may in (("ana", True), ("vi", False)):
            async with signed_in(bare.running, handle) as on:
                shown = await page(on, "/runs")
                assert "No runs yet" in shown
                assert ("/start" in shown) is may
