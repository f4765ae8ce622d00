"""The inbox and its requests, page by page, as a browser without scripts sees them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from kit.browser import Browser, browser, fields, signed_in
from kit.people import know
from kit.product import Product, product
from placet import Context, Group, Interrupt, Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()


@app.workflow("refund")
async def refund(ctx: Context, input: Any) -> Any:
    if ctx.approved:
        return input
    return Interrupt.approval(
        title=input["title"], message="Pay **this** back.", context={"order_id": 17, "lines": [{"sku": "a"}]}
    )


@app.workflow("by-finance")
async def by_finance(ctx: Context, input: Any) -> Any:
    return input if ctx.approved else Interrupt.approval(title=input["title"], approvers=Group("finance"), required=2)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        made.running.approval_options |= {"undo_seconds": 0}
        await made.running.stop("approval")
        await made.running.start("approval")
        await know(made, "ana", "finance")
        await know(made, "bo", "finance")
        await know(made, "vi", role="viewer")
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "ana") as made:
        yield made


async def ask(placet: Product, workflow: str = "refund", title: str | None = None) -> dict[str, Any]:
    """A request that waits."""
    return await placet.paused(await placet.start(workflow, {"title": title or f"Refund {uuid4().hex[:8]}"}))


async def decide(on: Browser, approval: dict[str, Any], decision: str, **filled: str) -> httpx2.Response:
    page = f"/approvals/{approval['id']}"
    return await on.send(page, f"{page}/decisions", decision=decision, **filled)


async def test_a_request_shows_what_is_asked_before_all_else(placet: Product, ana: Browser) -> None:
    """Its title, its message as Markdown, its values by name, and the digest of just that."""
    asked = await ask(placet, title="Refund <b>17</b>")

    shown = (await ana.get(f"/approvals/{asked['id']}")).text

    assert '<h1 id="title">Refund &lt;b&gt;17&lt;/b&gt;</h1>' in shown
    assert "Pay <strong>this</strong> back." in shown
    assert '<dt title="order_id">Order id</dt><dd>17</dd>' in shown
    assert fields(shown, f"/approvals/{asked['id']}/decisions")["digest"] == asked["digest"]
    assert shown.index("Pay <strong>") < shown.index("Who decides") < shown.index("Timeline")


async def test_approving_lets_the_run_go_on_and_shows_the_next(placet: Product, ana: Browser) -> None:
    """The next one is that below, in the list that was looked at."""
    older, newer = await ask(placet), await ask(placet)

    answer = await decide(ana, newer, "approve", comment="fine")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/approvals/{older['id']}")
    assert (await placet.ended(newer["runId"]))["status"] == "completed"
    done = await placet.approval(newer["id"])
    assert (done["resolvedBy"], done["channel"], done["comment"]) == ("user:ana", "inbox", "fine")


async def test_rejecting_with_a_reason_ends_the_run_with_it(placet: Product, ana: Browser) -> None:
    """The reason is part of the history, on the page too."""
    asked = await ask(placet)

    await decide(ana, asked, "reject", comment="too <much>")

    assert (await placet.ended(asked["runId"]))["status"] == "rejected"
    assert "too &lt;much&gt;" in (await ana.get(f"/approvals/{asked['id']}")).text


async def test_who_comes_second_is_told_who_was_first(placet: Product, ana: Browser) -> None:
    """On the page of the request as it is now, with what was typed still there to copy."""
    asked = await ask(placet)
    page = f"/approvals/{asked['id']}"
    form = fields((await ana.get(page)).text, f"{page}/decisions")
    async with signed_in(placet.running, "bo") as bo:
        await decide(bo, asked, "reject")

    answer = await ana.post(f"{page}/decisions", **form, decision="approve")

    assert answer.status_code == 409
    assert "already rejected by user:bo" in answer.text
    assert (await placet.ended(asked["runId"]))["status"] == "rejected"


@pytest.mark.parametrize(
    "forged",
    [
        {"decision": ""},
        {"decision": "approved"},
        {"decision": "APPROVE"},
        {"digest": ""},
        {"revision": ""},
        {"revision": "x"},
    ],
)
async def test_whatever_is_not_clear_decides_nothing(placet: Product, ana: Browser, forged: dict[str, str]) -> None:
    """A misspelt decision, or one that does not say what was shown."""
    asked = await ask(placet)

    answer = await decide(ana, asked, **({"decision": "approve"} | forged))

    assert answer.status_code == 422
    assert (await placet.approval(asked["id"]))["status"] == "pending"


async def test_what_was_not_shown_is_not_decided_on(placet: Product, ana: Browser) -> None:
    """A digest of something else, or terms that have changed since: 409, and a second look."""
    asked = await ask(placet, "by-finance")

    for stale, words in (
        ({"digest": "other"}, "something else than what was shown"),
        ({"revision": "7"}, "was changed since"),
    ):
        answer = await decide(ana, asked, "approve", **stale)
        assert (answer.status_code, words in answer.text) == (409, True)

    assert "vote" not in {entry["kind"] for entry in (await placet.approval(asked["id"]))["timeline"]}


async def test_a_vote_says_that_others_are_asked_too(placet: Product, ana: Browser) -> None:
    """And the request says whose approval is missing, and that one has had one's say."""
    asked = await ask(placet, "by-finance")
    page = f"/approvals/{asked['id']}"
    assert "2 more of the group finance" in (await ana.get(page)).text

    await decide(ana, asked, "approve")

    shown = (await ana.get(page)).text
    assert "1 more of the group finance" in shown
    assert "You cannot decide on this." in shown
    assert "you have decided on it before" in shown


async def test_who_may_not_decide_is_told_why(placet: Product) -> None:
    """There is no form for them, and what they send all the same is refused."""
    asked = await ask(placet)
    page = f"/approvals/{asked['id']}"
    async with signed_in(placet.running, "vi") as vi:
        shown = (await vi.get(page)).text
        answer = await vi.post(
            f"{page}/decisions", token=await vi.token(), decision="approve", digest=asked["digest"], revision="1"
        )

    assert "Deciding needs the role approver." in shown
    assert "/decisions" not in shown
    assert answer.status_code == 403
    assert (await placet.approval(asked["id"]))["status"] == "pending"


async def test_several_are_decided_on_at_once_and_one_refusal_stops_no_other(placet: Product, ana: Browser) -> None:
    """After a last look at all of them; what was refused is told with its reason."""
    asked = [await ask(placet) for _ in range(3)]
    last_look = await ana.get("/inbox/several?decision=approve&" + "&".join(f"id={each['id']}" for each in asked))
    form = fields(last_look.text, "/inbox/decisions")
    await placet.reject(asked[1])

    choices = [f"{each['id']} {each['digest']} 1" for each in asked]
    answer = await ana.http.post(
        "/inbox/decisions",
        data={"token": form["token"], "decision": "approve", "choice": choices},
        headers={"Origin": ana.origin},
    )

    assert answer.status_code == 303
    assert "2 of 3 decided" in (await ana.get("/inbox")).text
    states = [(await placet.approval(each["id"]))["status"] for each in asked]
    assert states == ["approved", "rejected", "approved"]


async def test_a_session_that_is_over_decides_nothing(placet: Product) -> None:
    """The form of a page that was left open says so, and leads back to the request."""
    asked = await ask(placet)
    page = f"/approvals/{asked['id']}"
    async with signed_in(placet.running, "ana") as ana:
        form = fields((await ana.get(page)).text, f"{page}/decisions")
        await ana.post("/sign-out", token=form["token"])
        answer = await ana.post(f"{page}/decisions", **form, decision="approve")
        opened = await ana.get(f"{page}?shelf=all")

    assert (answer.status_code, "Your session is over" in answer.text) == (401, True)
    assert f"/sign-in?next={page}" in answer.text
    assert (opened.status_code, opened.headers["location"]) == (303, f"/sign-in?next={page}%3Fshelf%3Dall")
    assert (await placet.approval(asked["id"]))["status"] == "pending"


async def test_who_is_not_signed_in_learns_nothing_of_a_request(placet: Product) -> None:
    """An id that there is and one that there is not look the same."""
    asked = await ask(placet)
    async with browser(placet.running) as nobody:
        answers = [await nobody.get(f"/approvals/{id}") for id in (asked["id"], uuid4())]

    assert [(answer.status_code, answer.text) for answer in answers] == [(303, ""), (303, "")]


async def test_history_has_what_has_ended(placet: Product, ana: Browser) -> None:
    """And the inbox has it no longer; a search finds it by its title."""
    asked = await ask(placet, title=f"Refund of {uuid4().hex}")
    await placet.approve(asked)

    inbox, history = [
        (await ana.get(f"/inbox?shelf={shelf}&q={asked['title'].replace(' ', '+')}")).text
        for shelf in ("all", "history")
    ]

    assert "Nothing found" in inbox
    assert f"row-{asked['id']}" in history


async def test_an_address_that_names_no_list_shows_one_s_own(placet: Product, ana: Browser) -> None:
    """Whatever a URL says that there is not is left out, and nothing breaks."""
    for query in (
        "shelf=everything",
        "order=x&after=%00",
        "after=xyz",
        "q=%00%25_",
        f"q={'a' * 500}",
        "outcome=approved",
    ):
        assert (await ana.get(f"/inbox?{query}")).status_code == 200, query
    assert (await ana.get("/approvals/17")).status_code == 404
    assert (await ana.get(f"/approvals/{uuid4()}")).status_code == 404
