"""What comes late, or not at first: pages are up to date all the same."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from kit.inbox import Inbox, live, row
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
