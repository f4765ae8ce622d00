"""What comes late, twice or in another order than it was asked for: nobody decides on what they do not see."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from kit.inbox import Inbox, live, open_request, row
from kit.late import late

pytestmark = pytest.mark.asyncio(loop_scope="session")

HIDDEN = "Object.defineProperty(Document.prototype, 'hidden', {get: () => !window.shown, configurable: true})"
SHOW = "window.shown = true; document.dispatchEvent(new Event('visibilitychange'))"


async def test_a_page_is_live_however_late_its_scripts_come(here: Inbox) -> None:
    """What the stream needs comes long after what begins it."""
    page = await here.page("ana")
    script = await late(page, "**/hx-sse.min.js")
    await page.goto("/inbox", wait_until="commit")
    await script.answered.wait()
    await page.evaluate(
        "new Promise(done => { const look = () => setTimeout(window.htmx ? () => setTimeout(done) : look); look() })"
    )
    script.come()

    await live(page)


async def test_of_two_that_are_opened_the_last_is_shown(here: Inbox) -> None:
    """Whichever is there first."""
    one, two = [(await here.ask(f"Refund order {number}"))["id"] for number in (61, 62)]
    page = await here.page("ana")
    await page.goto("/inbox")
    await live(page)
    first, last = [await late(page, f"**/approvals/{each}") for each in (one, two)]
    await open_row(page, "Refund order 61")
    await open_row(page, "Refund order 62")
    await first.answered.wait()
    await last.answered.wait()

    async with page.expect_event("requestfinished", lambda request: request.url.endswith(one)):
        first.come()
    last.come()

    await expect(open_request(page)).to_have_text("Refund order 62")
    await expect(page).to_have_url(f"{here.origin}/approvals/{two}")


async def test_nothing_is_decided_on_while_another_opens(here: Inbox) -> None:
    """A key that comes too early for the one decides nothing on the other."""
    before, after = await here.ask("Refund order 63"), await here.ask("Refund order 64")
    page = await here.page("ana")
    await page.goto(f"/approvals/{before['id']}")
    await live(page)
    answer = await late(page, f"**/approvals/{after['id']}")
    await open_row(page, "Refund order 64")
    await answer.answered.wait()

    await page.keyboard.press("a")
    answer.come()
    await expect(open_request(page)).to_have_text("Refund order 64")
    await page.keyboard.press("a")

    await expect(open_request(page)).to_have_text("Refund order 63")
    assert (await here.placet.approval(after["id"]))["status"] == "approved"
    assert (await here.placet.approval(before["id"]))["status"] == "pending"


async def test_a_key_that_is_held_down_decides_once(here: Inbox) -> None:
    """The next request comes under the finger, and stays undecided."""
    asked, pressed = await here.ask("Refund order 65"), await here.ask("Refund order 66")
    page = await here.page("ana")
    await page.goto(f"/approvals/{pressed['id']}")

    await page.keyboard.down("a")
    await expect(open_request(page)).to_have_text("Refund order 65")
    await page.wait_for_load_state()
    await page.keyboard.down("a")
    await page.keyboard.up("a")
    await page.keyboard.press("c")

    await expect(page.get_by_label("Comment")).to_be_focused()
    await page.goto(f"/approvals/{asked['id']}")
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert (await here.placet.approval(pressed["id"]))["status"] == "approved"


async def test_what_happens_while_a_request_opens_is_seen(here: Inbox) -> None:
    """It is shown as it is, not as it was when it was asked for."""
    asked = await here.ask("Refund order 67")
    page = await here.page("ana")
    await page.goto("/inbox")
    await live(page)
    answer = await late(page, f"**/approvals/{asked['id']}")
    await open_row(page, "Refund order 67")
    await answer.answered.wait()

    await here.decide_as("bo", asked, "approve")
    await expect(row(page, "Refund order 67")).to_have_count(0)
    answer.come()

    await expect(page.locator("#detail .outcome")).to_contain_text("Approved")


@pytest.mark.parametrize("went_back", ["before", "after"])
async def test_going_back_and_opening_at_once_end_where_one_went_last(here: Inbox, went_back: str) -> None:
    """The page, its address and its list agree, whichever answer is the last."""
    read, other = await here.ask("Refund order 68"), await here.ask("Refund order 69")
    page = await here.page("ana")
    await page.goto("/inbox")
    await live(page)
    await open_row(page, "Refund order 68")
    await expect(open_request(page)).to_have_text("Refund order 68")
    inbox, request = await late(page, "**/inbox"), await late(page, f"**/approvals/{other['id']}")
    if went_back == "before":
        await page.evaluate("history.back()")
        await inbox.answered.wait()
        await open_row(page, "Refund order 69")
        await request.answered.wait()
        request.come()
        await expect(page).to_have_url(f"{here.origin}/approvals/{other['id']}")
        async with page.expect_event("requestfinished", lambda each: each.url.endswith("/inbox")):
            inbox.come()
        await expect(open_request(page)).to_have_text("Refund order 69")
    else:
        await open_row(page, "Refund order 69")
        await request.answered.wait()
        await page.evaluate("history.back()")
        await inbox.answered.wait()
        async with page.expect_event("requestfinished", lambda each: each.url.endswith(other["id"])):
            request.come()
        inbox.come()
        await expect(page.get_by_role("heading", name="Choose a request")).to_be_visible()
        await expect(page).to_have_url(f"{here.origin}/inbox")
    assert (await here.placet.approval(read["id"]))["status"] == "pending"


async def test_a_part_that_could_not_be_renewed_is_renewed_later(here: Inbox) -> None:
    """Though nothing else moves; until then the page says that it may be out of date."""
    page, watch = await here.watched("ana")
    watch.tolerated.append("503")
    await page.goto("/inbox")
    await live(page)
    await page.route("**/inbox", lambda route: route.fulfill(status=503))
    await here.ask("Refund order 70")
    await expect(page.locator("#disconnected")).to_be_visible()

    await page.unroute("**/inbox")

    await expect(row(page, "Refund order 70")).to_be_visible()
    await expect(page.locator("#disconnected")).to_be_hidden()


async def test_a_stream_that_is_refused_at_first_is_asked_for_again(here: Inbox) -> None:
    """As where the service has just started, or has as many listeners as it can have."""
    page, watch = await here.watched("ana")
    watch.tolerated.append("503")
    await page.route("**/live", lambda route: route.fulfill(status=503))
    await page.goto("/inbox")
    await expect(page.locator("#disconnected")).to_be_visible()

    await page.unroute("**/live")

    await live(page)
    await expect(page.locator("#disconnected")).to_be_hidden()


async def test_a_tab_listens_once_it_is_seen(here: Inbox) -> None:
    """Several that are opened in the background do not take all connections that the browser has."""
    page = await here.page("ana")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.add_init_script(HIDDEN)
    await page.goto("/inbox")
    await page.wait_for_load_state("networkidle")  # which it never is while it listens
    assert f"{here.origin}/live" not in asked

    await page.evaluate(SHOW)

    await live(page)


async def test_a_run_that_moves_before_its_page_listens_is_seen(here: Inbox) -> None:
    """What happens between the page and its stream is not missed."""
    asked = await here.ask("Refund order 71")
    page = await here.page("ana")
    ended = asyncio.Event()

    async def listen_late(route: Route) -> None:
        await ended.wait()
        await route.continue_()

    await page.route("**/live", listen_late)
    await page.goto(f"/runs/{asked['runId']}")
    await expect(page.locator("h1")).to_contain_text("paused")

    await here.decide_as("bo", asked, "approve")
    await here.placet.ended(asked["runId"])
    ended.set()

    await expect(page.locator("h1")).to_contain_text("completed")


async def test_the_list_leaves_the_title_to_the_request(here: Inbox) -> None:
    """When it renews itself beside one that is read."""
    asked = await here.ask("Refund order 72")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")
    await live(page)

    await here.ask("Refund order 73")
    await expect(row(page, "Refund order 73")).to_be_visible()

    await expect(page).to_have_title("(2) Refund order 72 · Placet")


async def open_row(page: Page, title: str) -> None:
    await row(page, title).get_by_role("link").click()
