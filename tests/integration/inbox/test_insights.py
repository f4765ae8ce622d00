"""The page that says how deciding went, as a browser without scripts sees it."""

import re
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from kit.browser import Browser, browser, signed_in
from kit.people import know
from kit.product import Product, product
from placet import Context, Interrupt, Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()


@app.workflow("refund")
async def refund(ctx: Context, input: Any) -> Any:
    return "done" if ctx.approved else Interrupt.approval(message="May I?")


@app.workflow("pay-out")
async def pay_out(ctx: Context, input: Any) -> Any:
    return "done" if ctx.approved else Interrupt.approval(message="May I?")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def quiet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment in which nothing has happened."""
    async with product("local", app, postgres_url, amqp_url) as made:
        await know(made, "vi", role="viewer")
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """Three approvals that were decided by key, one by hand, and one that waits."""
    async with product("local", app, postgres_url, amqp_url) as made:
        await know(made, "vi", role="viewer")
        [key] = await know(made, "ana", "finance")
        async with made.running.http(key) as http:
            ana = Product(made.running, http)
            for workflow in ("refund", "refund", "pay-out"):
                await ana.approve(await made.paused(await made.start(workflow)))
        by_hand = await made.paused(await made.start("refund"))
        async with made.running.connection() as conn:
            await conn.execute("UPDATE users SET name = '<b>Ana & Co' WHERE handle = 'ana'")
            await conn.execute(
                """
                UPDATE approvals
                   SET status = 'rejected', resolved_by = 'user:ana', resolved_at = now(), channel = 'slack'
                 WHERE id = $1
                """,
                by_hand["id"],
            )
        await made.paused(await made.start("refund"))
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def vi(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "vi") as made:
        yield made


def tiles(page: str) -> dict[str, str]:
    """The numbers at the top, by name."""
    return dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)", page))


def table(page: str, figure: str) -> list[list[str]]:
    """The rows below a plot."""
    section = page.partition(f'id="{figure}-heading"')[2].partition("</section>")[0]
    body = section.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


async def test_whoever_may_read_sees_how_deciding_went(vi: Browser) -> None:
    """The numbers, and each plot with its facts in a table."""
    answer = await vi.get("/insights")
    page = answer.text

    assert answer.status_code == 200
    shown = tiles(page)
    assert (shown["Pending now"], shown["Decided"], shown["Missed deadlines"]) == ("1", "4", "0")
    assert shown["Decided unopened"] == "100 %"
    assert [row[:2] for row in table(page, "workflow-times")] == [["refund", "3"], ["pay-out", "1"]]
    assert [row[:2] for row in table(page, "group-times")] == [["finance", "4"]]
    ended = [[int(number) for number in row[1:]] for row in table(page, "outcomes")]
    assert [sum(column) for column in zip(*ended, strict=True)] == [3, 1, 0, 0]
    assert [row[:2] for row in table(page, "deciders")] == [["&lt;b&gt;Ana &amp; Co", "4"]]
    assert table(page, "pending")[0] == ["Less than 1 h", "1"]
    assert table(page, "unopened") == [["Slack", "1", "1", "100 %"]]


async def test_plots_are_whole_images_without_styles_of_their_own(vi: Browser) -> None:
    """Each can be read, has a title and a text, and names that are used once in the page."""
    page = (await vi.get("/insights?days=90")).text
    images = [
        ElementTree.fromstring(image) for image in re.findall(r'<svg class="chart.*?</svg>(?=\s+<det)', page, re.S)
    ]

    assert len(images) == 7  # no deadline was missed
    assert all(image.findtext("title") and image.findtext("desc") for image in images)
    names = re.findall(r'\sid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert " style=" not in page
    assert "<b>Ana" not in page


async def test_what_is_looked_at_is_in_the_address(vi: Browser) -> None:
    """Days, workflow and group, and links to other days keep the others."""
    page = (await vi.get("/insights?days=7&workflow=refund&group=finance")).text

    assert len(table(page, "outcomes")) == 7
    assert [row[:2] for row in table(page, "workflow-times")] == [["refund", "3"]]
    assert "<option selected>refund</option>" in page
    assert "<option selected>finance</option>" in page
    [link] = re.findall(r'href="/insights\?([^"]+)">90 days', page)
    assert set(link.split("&amp;")) == {"days=90", "workflow=refund", "group=finance"}
    assert (tiles(page)["Pending now"], tiles(page)["Decided"]) == ("0", "3")


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [("days=8", 422, "Days: one of 7, 30, 90"), ("days=", 422, "Days: one of"), ("workflow=refnud", 404, "refnud"),
     ("group=finanec", 404, "finanec"), ("workflow=%00%3Cb%3E", 404, "&lt;b&gt;")],
)  # fmt: skip
async def test_what_does_not_fit_is_told(vi: Browser, query: str, status: int, says: str) -> None:
    """What is misspelt is no empty page."""
    answer = await vi.get(f"/insights?{query}")

    assert answer.status_code == status
    assert says in answer.text


async def test_the_page_is_for_those_who_are_signed_in(placet: Product) -> None:
    """Others are sent to sign in, and come back."""
    async with browser(placet.running) as nobody:
        answer = await nobody.get("/insights?days=7")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/insights%3Fdays%3D7"


async def test_before_anything_was_asked_it_says_what_will_be_seen(quiet: Product) -> None:
    """There is no plot of nothing."""
    async with signed_in(quiet.running, "vi") as vi:
        page = (await vi.get("/insights")).text

    assert "Nothing to see yet" in page
    assert 'class="chart' not in page
