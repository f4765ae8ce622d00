"""What moves is seen without asking for it, and where it cannot be seen, that is."""

import time

import pytest
from playwright.async_api import expect

from kit.inbox import Inbox, live, open_request, row
from kit.messages import keep

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_new_request_is_seen_within_a_second(here: Inbox) -> None:
    """Its row comes by itself, and the number in the title grows with it. Of several, as a busy machine may be late."""
    page = await here.page("ana")
    await page.goto("/inbox")
    await live(page)
    seconds = []
    for number in range(1, 10):
        await here.ask(f"Refund order 41{number}")
        opened = time.monotonic()
        await row(page, f"Refund order 41{number}").wait_for()
        seconds.append(time.monotonic() - opened)
        await expect(page).to_have_title(f"({number}) Inbox · Placet")
        if number > 1 and min(seconds) < 1.0:
            break

    assert min(seconds) < 1.0, seconds
    for approval in (await here.placet.http.get("/v1/approvals")).json()["items"]:
        await here.decide_as("bo", approval, "approve")
    await expect(page.locator("#list [data-row]")).to_have_count(0)
    await expect(page).to_have_title("Inbox · Placet")


async def test_what_one_types_stays_while_things_move(here: Inbox) -> None:
    """A comment that is half written survives that others come and go, and that the request itself gets a vote."""
    asked = await here.ask("Pay invoice 42", "payment")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")
    await live(page)
    await page.get_by_label("Comment").fill("Half a sen")

    await here.ask("Refund order 43")
    await here.decide_as("bo", asked, "approve")

    await expect(row(page, "Refund order 43")).to_be_visible()
    await expect(page.locator("#detail")).to_contain_text("voted to approve")
    await expect(page.get_by_label("Comment")).to_have_value("Half a sen")


async def test_what_one_has_opened_and_chosen_stays_while_things_move(here: Inbox) -> None:
    """What is unfolded, selected, and asked of whoever reads is left as it is when the page renews itself."""
    asked = await here.ask("Pay invoice 48", "payment")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")
    await live(page)
    await page.locator("body").press("r")
    await expect(page.locator("#why")).to_be_visible()
    await page.get_by_label("Comment").press("Escape")
    await page.get_by_text("Raw JSON of the input").click()
    await page.get_by_label("Select Pay invoice 48").check()

    await here.decide_as("bo", asked, "approve")
    await here.ask("Refund order 49")

    await expect(row(page, "Refund order 49")).to_be_visible()
    await expect(page.locator("#detail")).to_contain_text("voted to approve")
    await expect(page.locator("#why")).to_be_visible()
    await expect(page.locator("details.raw").filter(has_text="Raw JSON of the input")).to_have_attribute("open", "")
    await expect(page.get_by_label("Select Pay invoice 48")).to_be_checked()
    await expect(page.locator("#bulk")).to_contain_text("1 selected")


async def test_a_hidden_tab_goes_on_saying_how_many_wait(here: Inbox) -> None:
    """It hears nothing, as it has let go of its connection; it looks, once a minute, and renews nothing else."""
    page = await here.page("ana")
    await page.clock.install()
    await page.goto("/inbox")
    await live(page)
    await page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", {get: () => true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    await here.ask("Refund order 46")

    await page.clock.fast_forward("01:01")

    await expect(page).to_have_title("(1) Inbox · Placet")
    await expect(row(page, "Refund order 46")).to_have_count(0)


async def test_messages_that_are_quarantined_come_to_the_list(here: Inbox) -> None:
    """Into an empty one as well; what one has selected stays so."""
    await here.know("root", role="admin")
    page = await here.page("root")
    await page.goto("/quarantine")
    await live(page)
    await expect(page.locator("#quarantine")).to_contain_text("Nothing is quarantined")
    rows = page.locator("#quarantine tbody tr")

    await keep(here.placet.running, "executor", b"{}", "no event at all")
    await expect(rows).to_have_count(1)
    await rows.get_by_role("checkbox").check()
    await keep(here.placet.running, "notifier", b"{}", "nor this one")

    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("nor this one")
    await expect(rows.last.get_by_role("checkbox")).to_be_checked()
    await expect(page.locator("#bulk")).to_contain_text("1 selected")


async def test_a_lost_connection_is_said_and_mended(here: Inbox) -> None:
    """While the service is away the page says that it may be out of date; once it is back, it is up to date again."""
    page, watch = await here.watched("ana")
    watch.tolerated += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "network error"]
    await page.goto("/inbox")
    await live(page)

    await here.fall_silent()
    await expect(page.locator("#disconnected")).to_be_visible()
    await here.ask("Refund order 44")
    await here.answer()

    await expect(page.locator("#disconnected")).to_be_hidden()
    await expect(row(page, "Refund order 44")).to_be_visible()


async def test_the_request_that_is_read_stays_when_its_row_goes(here: Inbox) -> None:
    """Decided by somebody else, it leaves the list, and stays on the page with its outcome."""
    asked = await here.ask("Refund order 45")
    page = await here.page("ana")
    await page.goto(f"/approvals/{asked['id']}")
    await live(page)

    await here.decide_as("bo", asked, "approve")

    await expect(row(page, "Refund order 45")).to_have_count(0)
    await expect(open_request(page)).to_have_text("Refund order 45")
    await expect(page.locator("#detail .outcome")).to_contain_text("Approved")
