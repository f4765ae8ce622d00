"""Signing in and out, as a browser does it."""

import pytest
from playwright.async_api import expect

from kit.axe import accessible
from kit.inbox import Inbox

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_login_link_signs_in_and_leaves_nothing_in_the_address(here: Inbox) -> None:
    """The link's token goes from the address into the form; its button signs in, and signing out ends that."""
    page = await here.page()
    await page.goto(await here.login_link("ana"))

    await expect(page).to_have_url(f"{here.origin}/sign-in/link")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("body")).to_contain_text("Ana")

    await page.goto("/settings")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    await page.goto("/settings")
    await expect(page).to_have_url(f"{here.origin}/sign-in?next=/settings")


async def test_a_login_link_works_without_scripts(here: Inbox) -> None:
    """Who has scripts turned off pastes what follows the hash."""
    page = await here.page(java_script_enabled=False)
    link = await here.login_link("ana")
    await page.goto(link)

    await page.get_by_role("textbox").fill(link)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.locator("body")).to_contain_text("Ana")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/link"])
async def test_pages_of_nobody_are_accessible(here: Inbox, path: str, scheme: str) -> None:
    """Those who are not signed in have no barrier either."""
    page = await here.page(color_scheme=scheme)
    await page.goto(path)

    await accessible(page)
