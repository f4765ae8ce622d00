"""The inbox by keyboard alone."""

import pytest
from playwright.async_api import Page, expect

from kit.inbox import Inbox, live, open_request

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOCUSED = """() => {
    const at = document.activeElement
    const style = getComputedStyle(at)
    const around = at.closest("[data-row]")
    const outlines = [style, around && getComputedStyle(around)].filter(Boolean)
    return {
        seen: outlines.some(each => each.outlineStyle !== "none" && parseFloat(each.outlineWidth) >= 2),
        what: at.tagName + " " + (at.id || at.name || at.textContent.trim().slice(0, 30)),
        order: at === document.body,
    }
}"""


async def test_twenty_are_triaged_without_a_mouse(here: Inbox) -> None:
    """Down the list, open, approve or reject with a reason, and the next one is there: twenty times."""
    for number in range(20):
        await here.ask(f"Refund order {number:02}")
    page = await here.page("ana")
    await page.goto("/inbox")
    await live(page)

    await press(page, "j", "j", "k", "Enter")
    await expect(open_request(page)).to_have_text("Refund order 19")
    for number in reversed(range(20)):
        await expect(open_request(page)).to_have_text(f"Refund order {number:02}")
        await page.wait_for_load_state()  # keys are heard from then on
        if number % 4:
            await press(page, "a")
        else:
            await press(page, "c")
            await page.keyboard.type(f"No {number}")
            await press(page, "Escape", "r")

    await expect(page.get_by_role("heading", name="All done")).to_be_visible()
    decided = (await here.placet.http.get("/v1/approvals", params={"limit": 100})).json()["items"]
    rejected = {each["title"]: each["comment"] for each in decided if each["status"] == "rejected"}
    assert len(decided) == 20
    assert {each["status"] for each in decided} == {"approved", "rejected"}
    assert rejected == {f"Refund order {number:02}": f"No {number}" for number in range(0, 20, 4)}


async def test_rejecting_by_key_asks_for_a_reason_first(here: Inbox) -> None:
    """The first ``r`` goes to the comment, and nothing is decided; once there is one, ``r`` rejects."""
    asked = await here.ask("Refund order 51")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")

    await press(page, "r")
    await expect(page.get_by_label("Comment")).to_be_focused()
    await expect(page.locator("#why")).to_be_visible()
    assert (await here.placet.approval(asked["id"]))["status"] == "pending"
    await page.keyboard.type("Too late")
    await press(page, "Escape", "r")

    await expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert (await here.placet.approval(asked["id"]))["comment"] == "Too late"


async def test_keys_help_search_and_select(here: Inbox) -> None:
    """A key shows all keys, one goes to the search, one selects; while one types, letters are letters."""
    await here.ask("Refund order 52")
    asked = await here.ask("Refund order 53")
    page = await here.page("ana")
    await page.goto("/inbox")

    await press(page, "?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await press(page, "Escape")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    await press(page, "j", "x")
    await expect(page.get_by_label("Select Refund order 53")).to_be_checked()
    await press(page, "/")
    await page.keyboard.type("raj 52")
    await expect(page.get_by_role("searchbox")).to_have_value("raj 52")
    await page.get_by_role("searchbox").fill("order 52")
    await press(page, "Enter")

    await expect(page.locator("#list [data-row]")).to_have_count(1)
    await expect(page).to_have_url(f"{here.origin}/inbox?q=order+52&order=")
    assert (await here.placet.approval(asked["id"]))["status"] == "pending"


async def test_control_and_enter_approve_from_the_comment_alone(here: Inbox) -> None:
    """In another field they decide nothing; in the comment they approve, with what has been typed."""
    asked = await here.ask("Refund order 55")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")

    await page.get_by_role("searchbox").press("Control+Enter")
    assert (await here.placet.approval(asked["id"]))["status"] == "pending"
    await page.get_by_label("Comment").fill("As agreed")
    await page.get_by_label("Comment").press("Control+Enter")

    await expect(page.get_by_role("heading", name="All done")).to_be_visible()
    decided = await here.placet.approval(asked["id"])
    assert (decided["status"], decided["comment"]) == ("approved", "As agreed")


async def test_focus_goes_through_the_page_in_order_and_is_seen(here: Inbox) -> None:
    """The first tab skips to the content; all that can be used has its turn, with a ring around it, and none twice."""
    asked = await here.ask("Refund order 54")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")

    await press(page, "Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    seen: list[str] = []
    while True:
        await press(page, "Tab")
        at = await page.evaluate(FOCUSED)
        if at["order"] or len(seen) > 60:
            break
        assert at["seen"], f"no ring around {at['what']}"
        seen.append(at["what"])

    positions = [
        next(n for n, what in enumerate(seen) if part in what)
        for part in ("Placet", "Inbox", "For me", "INPUT q", "Refund order 54", "comment", "decision", "SUMMARY")
    ]
    assert positions == sorted(positions)
    assert len(seen) < 60

    await page.reload()
    await press(page, "Tab", "Enter", "Tab")
    inside = await page.evaluate("document.querySelector('#main').contains(document.activeElement)")
    assert inside


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)
