"""Every page of the inbox, as its routes tell: for everybody, on every screen, in light and dark."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, expect

from kit.axe import accessible
from kit.chromium import Watch
from kit.company import address, company_site, pages
from kit.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 800}

# What does not fit: elements that reach beyond the page, unless something around them scrolls by itself.
TOO_WIDE = """() => {
    const wide = document.documentElement.clientWidth
    const cut = at => at && (getComputedStyle(at).overflowX !== "visible" || cut(at.parentElement))
    return document.documentElement.scrollWidth <= wide ? [] : [...document.querySelectorAll("body *")]
        .filter(at => at.getBoundingClientRect().right > wide + 1 && !cut(at.parentElement))
        .map(at => `${at.tagName}.${at.className}: ${at.textContent.trim().slice(0, 60)}`)
}"""


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def company(postgres_url: str, browser: Browser) -> AsyncIterator[Site]:
    """The demo's company. Tests of this module only look at it."""
    async with company_site(postgres_url, browser) as made:
        yield made


@dataclass(frozen=True)
class Looking:
    """Pages that are looked at one after the other: of Ana, and of nobody."""

    ana: tuple[Page, Watch]
    nobody: tuple[Page, Watch]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def looking(company: Site) -> Looking:
    """One browser for all pages: what a page does wrong is told of while it is shown."""
    return Looking(await company.watched("ana"), await company.watched())


@pytest.mark.parametrize(("route", "example"), pages())
async def test_a_page_is_for_everybody(company: Site, looking: Looking, route: str, example: str) -> None:
    """It has no barrier in light and dark, fits a phone, has one heading of the first level, and asks nobody else."""
    page, watch = looking.nobody if route.startswith("/sign-in") else looking.ana
    watch.faults.clear()
    watch.tolerated = ["status of 4"]  # pages that say what is wrong are pages, too
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(DESK)
    await page.goto(await address(company.placet.running, route, example))

    await expect(page.locator("h1")).to_have_count(1)
    await settled(page)
    await accessible(page)
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(PHONE)
    await settled(page)
    assert await page.evaluate(TOO_WIDE) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    await accessible(page)
    watch.check()


async def settled(page: Page) -> None:
    """Wait until nothing moves: colours that fade are not judged half-way."""
    await page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")


async def test_times_are_the_readers_own_with_utc_beside_them(company: Site) -> None:
    """What is sent in UTC is shown in the reader's zone; the title has both."""
    page = await company.page("ana", timezone_id="Asia/Tokyo")
    await page.goto(await address(company.placet.running, "/approvals/{id}", "approved"))
    time = page.locator("#detail time[data-format=full]").first
    sent = await time.get_attribute("datetime")

    own = await page.evaluate(
        "at => new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'short'}).format(new Date(at))", sent
    )
    title = await time.get_attribute("title")

    await expect(time).to_have_text(own)
    assert title is not None
    assert title.startswith(own)
    assert title.endswith("UTC")
    assert str(sent)[11:16] in title


async def test_nothing_moves_for_whom_that_is_too_much(company: Site) -> None:
    """With reduced motion, no element has an animation or a transition that takes time."""
    page = await company.page("ana", reduced_motion="reduce")
    for route, example in (("/inbox", "mine"), ("/approvals/{id}", "refund")):
        await page.goto(await address(company.placet.running, route, example))
        moving = await page.evaluate(
            """() => [...document.querySelectorAll("*")].filter(at => {
                const style = getComputedStyle(at)
                const longest = text => Math.max(...text.split(",").map(parseFloat))
                return longest(style.transitionDuration) > 0.01 || longest(style.animationDuration) > 0.01
            }).map(at => at.tagName + "." + at.className)"""
        )
        assert moving == []


async def test_pages_fit_a_wide_screen_and_large_text(company: Site) -> None:
    """Twice the text size loses nothing: no page scrolls sideways at half the width."""
    page = await company.page("ana", viewport={"width": 640, "height": 400})
    for route, example in (("/inbox", "mine"), ("/approvals/{id}", "deploy")):
        await page.goto(await address(company.placet.running, route, example))
        assert await page.evaluate(TOO_WIDE) == []
