"""Deciding in a browser: from a request's start to its run's end."""

import re

import pytest
from playwright.async_api import Browser, expect

from kit.inbox import Inbox, inbox, live, open_request, row
from placet_approval.handlers import sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_approving_lets_the_run_complete(here: Inbox) -> None:
    """From the row to the request, to the button, to the run's end; the list is done, and the history has it."""
    asked = await here.ask("Refund order 17", context={"order": {"number": 17, "items": ["spade"]}})
    page = await here.page("ana")

    await page.goto("/inbox")
    await row(page, "Refund order 17").get_by_role("link").click()
    await expect(page).to_have_url(f"{here.origin}/approvals/{asked['id']}")
    await expect(page.locator("#detail .message strong")).to_have_text("this")
    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert (await here.placet.ended(asked["runId"]))["output"] == "paid Refund order 17"
    await page.get_by_role("link", name="History").click()
    await expect(row(page, "Refund order 17")).to_contain_text("approved")


async def test_rejecting_keeps_the_reason(here: Inbox) -> None:
    """Rejected with a reason, the run ends; the reason is shown with the outcome."""
    asked = await here.ask("Refund order 18")
    page = await here.page("ana")

    await page.goto(f"/approvals/{asked['id']}")
    await page.get_by_label("Comment").fill("The guarantee has ended")
    await page.get_by_role("button", name="Reject").click()

    await expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert (await here.placet.ended(asked["runId"]))["status"] == "rejected"
    await page.goto(f"/approvals/{asked['id']}")
    await expect(page.locator("#detail .outcome")).to_contain_text("The guarantee has ended")


async def test_of_two_who_race_one_wins_and_the_other_sees_it_live(here: Inbox) -> None:
    """Bo decides while Ana reads: her page says who did what, by itself, and offers nothing to decide any more."""
    asked = await here.ask("Refund order 19")
    ana, bo = await here.page("ana"), await here.page("bo")
    for page in (ana, bo):
        await page.goto(f"/approvals/{asked['id']}")
        await live(page)

    await bo.get_by_label("Comment").fill("Paid already")
    await bo.get_by_role("button", name="Reject").click()

    await expect(ana.locator("#detail .outcome")).to_contain_text("Rejected by bo", ignore_case=True)
    await expect(ana.locator("#detail .outcome")).to_contain_text("Paid already")
    await expect(ana.get_by_role("button", name="Approve")).to_have_count(0)


async def test_who_is_a_moment_late_is_told_who_was_first(here: Inbox) -> None:
    """Where the page could not know yet, the decision is refused, and the page says who has made it and what."""
    asked = await here.ask("Refund order 20")
    page, watch = await here.watched("ana", java_script_enabled=False)
    watch.tolerated.append("409")
    await page.goto(f"/approvals/{asked['id']}")
    await here.decide_as("bo", asked, "reject")

    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("alert")).to_contain_text("already rejected by")
    assert (await here.placet.ended(asked["runId"]))["status"] == "rejected"


async def test_approving_needs_no_scripts(here: Inbox) -> None:
    """With scripts turned off, one signs in, finds the request, reads it and approves it."""
    asked = await here.ask("Refund order 21")
    page = await here.page("ana", java_script_enabled=False)

    await page.goto("/inbox")
    await row(page, "Refund order 21").get_by_role("link").click()
    await page.get_by_label("Comment").fill("Fine")
    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert (await here.placet.ended(asked["runId"]))["status"] == "completed"


async def test_a_session_that_is_over_decides_nothing_and_one_comes_back(here: Inbox) -> None:
    """Signed out elsewhere, the button decides nothing and says so; signing in leads back to the request."""
    asked = await here.ask("Refund order 22")
    page, watch = await here.watched("ana", java_script_enabled=False)
    watch.tolerated.append("401")
    await page.goto(f"/approvals/{asked['id']}")
    async with here.placet.running.connection() as conn:
        await sessions.end_of(conn, "ana")

    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your session is over")
    assert (await here.placet.approval(asked["id"]))["status"] == "pending"

    await here.sign_in(page, "ana")
    await page.get_by_role("link", name="Sign in again").click()
    await expect(page).to_have_url(f"{here.origin}/approvals/{asked['id']}")
    await page.get_by_role("button", name="Approve").click()
    assert (await here.placet.ended(asked["runId"]))["status"] == "completed"


async def test_what_has_changed_since_it_was_opened_is_not_decided_on(here: Inbox) -> None:
    """A decision on other content than is asked now is refused, and the page is as it is now."""
    asked = await here.ask("Refund order 23")
    page, watch = await here.watched("ana")
    watch.tolerated += ["409", "ERR_FAILED", "network error", "Failed to fetch"]
    await page.route("**/live", lambda route: route.abort())  # or the page would see by itself that it is out of date
    await page.goto(f"/approvals/{asked['id']}")
    await page.locator("form[data-decide] input[name=digest]").evaluate("field => { field.value = 'sha256:other' }")

    await page.get_by_label("Comment").fill("Fine")
    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("alert").first).to_contain_text("something else than what was shown")
    await expect(page).to_have_url(f"{here.origin}/approvals/{asked['id']}")
    assert (await here.placet.approval(asked["id"]))["status"] == "pending"
    async with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "div#detail"):
        await page.unroute("**/live")
    await expect(page.locator("#detail time").first).to_have_attribute("data-utc", re.compile("UTC"))
    await expect(page.get_by_role("alert").first).to_contain_text("something else than what was shown")
    await expect(page.get_by_label("Comment")).to_have_value("Fine")
    await page.get_by_role("button", name="Approve").click()
    assert (await here.placet.ended(asked["runId"]))["status"] == "completed"


async def test_terms_that_have_changed_are_looked_at_again(here: Inbox) -> None:
    """Somebody else is asked by now: the decision that was made on the old terms does not count."""
    asked = await here.ask("Pay invoice 24", "payment")
    page, watch = await here.watched("ana", java_script_enabled=False)
    watch.tolerated.append("409")
    await page.goto(f"/approvals/{asked['id']}")
    body = {"from": "group:finance", "to": "group:board", "comment": "It is much"}
    answer = await here.placet.http.post(f"/v1/approvals/{asked['id']}/reassign", json=body)
    assert answer.status_code == 200, answer.text

    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("alert").first).to_contain_text("was changed since it was shown")
    assert "vote" not in {entry["kind"] for entry in (await here.placet.approval(asked["id"]))["timeline"]}


async def test_several_are_decided_at_once_and_one_refusal_stops_no_other(here: Inbox) -> None:
    """Three are selected and looked at; one is decided by somebody else meanwhile: two are approved, and it says so."""
    asked = [await here.ask(f"Refund order {number}") for number in (31, 32, 33)]
    page = await here.page("ana")
    await page.goto("/inbox")
    for number in (31, 32, 33):
        await page.get_by_label(f"Select Refund order {number}").check()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Approve 3 requests?")
    await here.decide_as("bo", asked[1], "reject")

    await page.get_by_role("button", name="Approve them").click()

    await expect(page.locator("#notices")).to_contain_text("2 of 3 decided")
    ends = [(await here.placet.ended(each["runId"]))["status"] for each in asked]
    assert ends == ["completed", "rejected", "completed"]


async def test_a_word_of_any_length_widens_no_page(here: Inbox) -> None:
    """A title without a space fits a phone in the list, on its own page, and among several."""
    asked = await here.ask("Refund" * 30)
    page = await here.page("ana", viewport={"width": 360, "height": 740})

    for path in ("/inbox", f"/approvals/{asked['id']}", f"/inbox/several?decision=approve&id={asked['id']}"):
        await page.goto(path)
        await expect(page.get_by_text("RefundRefund").filter(visible=True).first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path


async def test_a_vote_leaves_the_rest_to_others(here: Inbox) -> None:
    """Where two are asked, one's approval is a vote: the row says 1 of 2 to the other, whose approval completes it."""
    asked = await here.ask("Pay invoice 34", "payment")
    ana, bo = await here.page("ana"), await here.page("bo")
    await ana.goto(f"/approvals/{asked['id']}")
    await ana.get_by_role("button", name="Approve").click()
    await expect(ana.locator("#notices")).to_contain_text("others are asked, too")

    await bo.goto("/inbox")
    await expect(row(bo, "Pay invoice 34")).to_contain_text("1 of 2")
    await row(bo, "Pay invoice 34").get_by_role("link").click()
    await bo.get_by_role("button", name="Approve").click()

    assert (await here.placet.ended(asked["runId"]))["status"] == "completed"


async def test_who_may_not_decide_is_told_why(here: Inbox) -> None:
    """Vi reads the request and what it needs; there is nothing to press."""
    asked = await here.ask("Refund order 35")
    page = await here.page("vi")

    await page.goto(f"/approvals/{asked['id']}")

    await expect(page.locator("#detail")).to_contain_text("You cannot decide on this")
    await expect(page.locator("form[data-decide]")).to_have_count(0)


async def test_a_decision_can_be_undone_for_a_moment(postgres_url: str, browser: Browser) -> None:
    """A key takes it back before it has any effect; made again and left alone, it takes effect by itself."""
    async with inbox(postgres_url, browser, undo_seconds=3) as here:
        asked = await here.ask("Refund order 36")
        page = await here.page("ana")
        await page.goto(f"/approvals/{asked['id']}")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("#toasts")).to_contain_text("You approve Refund order 36")
        await page.wait_for_load_state()  # keys are heard from then on
        await page.keyboard.press("u")

        await expect(page.locator("#notices")).to_contain_text("Undone: nothing has been decided.")
        assert (await here.placet.approval(asked["id"]))["status"] == "pending"
        await page.get_by_role("button", name="Approve").click()
        assert (await here.placet.ended(asked["runId"]))["status"] == "completed"
        await expect(open_request(page)).to_have_count(0)
