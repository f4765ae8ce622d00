"""The pages that say what can be started, as a browser without scripts sees them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import BaseModel, Field

from kit.browser import Browser, signed_in
from kit.people import know
from kit.product import Product, product
from kit.waiting import eventually
from placet import Context, Interrupt, Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()


class Refund(BaseModel):
    order_id: int = Field(alias="orderId", description="As <printed> on the bill")
    reason: Literal["lost", "broken"] | None = None
    tags: list[str] = []


@app.workflow("refund", version=1)
async def old_refund(ctx: Context, input: Any) -> None:
    """Give <all> money back."""
    await asyncio.Event().wait()


@app.workflow("refund", version=2)
async def refund(ctx: Context, input: Refund) -> str | Interrupt:
    """Give money back & say so."""
    return "done" if ctx.approved else Interrupt.approval(message="Really?")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        await know(made, "ana", role="starter")
        await know(made, "vi", role="viewer")
        await eventually(lambda: _served(made, True))
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "ana") as made:
        yield made


async def test_the_list_says_what_can_be_started(placet: Product, ana: Browser) -> None:
    """Each workflow with its latest version, what it does, who serves it, and a way to start it."""
    shown = (await ana.get("/workflows")).text

    assert '<a href="/workflows/refund">refund</a>' in shown
    assert "Give money back &amp; say so." in shown
    assert '2 <span class="muted">of 2</span>' in shown
    assert "1 executor<" in shown
    assert 'href="/start?workflow=refund&amp;version=2"' in shown


async def test_counts_lead_to_the_runs_that_they_count(placet: Product, ana: Browser) -> None:
    """Open runs by what they do; ended ones are not there."""
    await placet.paused(await placet.start("refund", {"orderId": 1}))

    for page in ("/workflows", "/workflows/refund"):
        shown = (await ana.get(page)).text
        assert '<a href="/runs?workflow=refund&amp;status=paused">' in shown
        assert "1 paused" in shown


async def test_one_workflow_shows_its_versions_and_what_they_take(placet: Product, ana: Browser) -> None:
    """The highest first, each with its input's fields and their types; what authors write is escaped."""
    shown = (await ana.get("/workflows/refund")).text

    assert shown.index("Version 2") < shown.index("Version 1")
    assert "Give &lt;all&gt; money back." in shown
    assert "<code>orderId</code>" in shown
    assert "As &lt;printed&gt; on the bill" in shown
    assert "&#34;lost&#34; or &#34;broken&#34; or null" in shown
    assert "list of string" in shown
    assert "JSON Schema" in shown
    assert "Any JSON value" in shown  # of version 1
    assert 'href="/start?workflow=refund&amp;version=1"' in shown


async def test_who_may_not_start_is_not_offered_it(placet: Product) -> None:
    """A viewer sees all of it but the buttons."""
    async with signed_in(placet.running, "vi") as vi:
        for page in ("/workflows", "/workflows/refund"):
            answer = await vi.get(page)
            assert answer.status_code == 200
            assert "/start" not in answer.text


async def test_what_nobody_serves_says_so_and_leads_to_its_parked_runs(placet: Product, ana: Browser) -> None:
    """Runs of a workflow that no executor has ever had wait for it, and that is explained."""
    name = f"w{uuid4().hex[:8]}"
    await placet.start(name)

    async def told() -> bool:
        return "1 parked" in (await ana.get("/workflows")).text

    await eventually(told)
    shown = (await ana.get(f"/workflows/{name}")).text
    assert "Nobody serves it" in shown
    assert f'<a href="/runs?workflow={name}&amp;parked=true">1 run is parked</a>' in shown
    assert "/start" not in shown
    assert (await ana.get("/workflows/no-such")).status_code == 404


async def test_a_workflow_whose_executor_stopped_stays_known(placet: Product, ana: Browser) -> None:
    """Its page says that nobody serves it now, and when somebody last did."""
    await placet.running.stop("executor")
    try:
        await eventually(lambda: _served(placet, False))

        shown = (await ana.get("/workflows/refund")).text

        assert "No executor serves it now" in shown
        assert "last heard of" in shown
    finally:
        await placet.running.start("executor")
        await eventually(lambda: _served(placet, True))


async def test_nobody_signed_in_sees_none_of_it(placet: Product) -> None:
    """The pages ask to sign in, and come back."""
    async with placet.running.http("") as http:
        answer = await http.get("/workflows/refund")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/workflows/refund")


async def test_without_any_workflow_the_page_says_how_to_serve_one(postgres_url: str, amqp_url: str) -> None:
    """The first steps stand where the list will be."""
    async with product("local", Placet(), postgres_url, amqp_url) as bare:
        await know(bare, "ana", role="starter")
        async with signed_in(bare.running, "ana") as ana:
            shown = (await ana.get("/workflows")).text

    assert "No workflow is served yet" in shown
    assert "placet executor workflows:app" in shown


async def _served(placet: Product, served: bool) -> bool:
    answer = await placet.http.get("/v1/workflows/refund")
    return answer.status_code == 200 and answer.json()["served"] is served
