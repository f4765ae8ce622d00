"""Starting runs from forms, as a browser without scripts does it."""

import re
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx2
import pytest
import pytest_asyncio
from pydantic import BaseModel, Field

from kit.browser import Browser, fields, signed_in
from kit.people import know
from kit.product import Product, product
from kit.waiting import eventually
from placet import Context, Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()


class Address(BaseModel):
    street: str


class Refund(BaseModel):
    order_id: int = Field(alias="orderId", ge=1, description="As <printed> on the bill")
    reason: Literal["lost", "broken"]
    tags: list[str] = []
    tell: bool = True
    home: Address | None = None


@app.workflow("refund", version=1)
async def old_refund(ctx: Context, input: int) -> int:
    return input


@app.workflow("refund", version=2)
async def refund(ctx: Context, input: Refund) -> Any:
    """Give money back & say so."""
    return input.model_dump(by_alias=True)


@app.workflow("takes-anything")
async def takes_anything(ctx: Context, input: Any) -> Any:
    return input


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        await know(made, "ana", role="starter")
        await know(made, "vi", role="viewer")

        async def served() -> bool:
            return (await made.http.get("/v1/workflows/refund")).status_code == 200

        await eventually(served)
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "ana") as made:
        yield made


FORM = "/start?workflow=refund"
FILLED = {"input/orderId": "17", "input/reason": '"lost"', "input/tags": "vip\r\n eu "}


def started(answer: httpx2.Response) -> str:
    """The id of the run whose page follows a form that was sent."""
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"].removeprefix("/runs/"))


async def send(on: Browser, page: str = FORM, **filled: str) -> httpx2.Response:
    return await on.post("/start", **(fields((await on.get(page)).text, "/start") | filled))


async def test_a_workflow_is_chosen_from_those_that_are_known(ana: Browser) -> None:
    """Each with what it does."""
    shown = (await ana.get("/start")).text

    assert '<a href="/start?workflow=refund">refund</a>' in shown
    assert "Give money back &amp; say so." in shown
    assert '<a href="/start?workflow=takes-anything">takes-anything</a>' in shown


async def test_a_form_made_of_the_schema_starts_a_run(placet: Product, ana: Browser) -> None:
    """In the highest version, in the name of whoever sent it; its page comes next."""
    shown = (await ana.get(FORM)).text
    assert "As &lt;printed&gt; on the bill." in shown
    assert "At least 1." in shown

    run = await placet.ended(started(await send(ana, **FILLED)))

    assert (run["workflow"], run["version"], run["requestedBy"]) == ("refund", 2, "user:ana")
    assert run["output"] == {"orderId": 17, "reason": "lost", "tags": ["vip", "eu"], "tell": True, "home": None}
    assert "The run is started." in (await ana.get(f"/runs/{run['id']}")).text


async def test_another_version_has_its_own_form(placet: Product, ana: Browser) -> None:
    """The one that is chosen is the one that is started."""
    run = await placet.ended(started(await send(ana, f"{FORM}&version=1", input="5")))

    assert (run["version"], run["output"]) == (1, 5)


async def test_what_does_not_fit_is_said_in_place(placet: Product, ana: Browser) -> None:
    """Beside its field and above; what was typed is kept, and sent again it starts."""
    answer = await send(ana, **FILLED | {"input/orderId": "<0>", "input/reason": "", "input/home": "yes"})

    assert answer.status_code == 422
    assert '<a href="#input/orderId">Order id</a>: “&lt;0&gt;” is not a whole number.' in answer.text
    assert '<span class="error" id="input/reason-error">Fill this in.</span>' in answer.text
    assert '<span class="error" id="input/home/street-error">Fill this in.</span>' in answer.text
    kept = fields(answer.text, "/start")
    assert (kept["input/orderId"], kept["input/tags"], kept["input/home"]) == ("<0>", "vip\n eu ", "yes")

    mended = kept | {"input/orderId": "3", "input/reason": '"broken"', "input/home/street": "A 1"}
    run = await placet.ended(started(await ana.post("/start", **mended)))
    assert run["output"]["home"] == {"street": "A 1"}


async def test_a_double_click_starts_one_run(placet: Product, ana: Browser) -> None:
    """The same form sent twice leads to the same run; with something else in it, it is refused, and asked again."""
    form = fields((await ana.get(FORM)).text, "/start") | FILLED

    first, second = await ana.post("/start", **form), await ana.post("/start", **form)
    changed = await ana.post("/start", **form | {"input/orderId": "18"})

    assert started(first) == started(second)
    assert changed.status_code == 409
    assert "This form was sent before, with something else in it" in changed.text
    again = fields(changed.text, "/start")
    assert again["input/orderId"] == "18"
    assert started(await ana.post("/start", **again)) != started(first)


async def test_without_a_schema_the_input_is_json(placet: Product, ana: Browser) -> None:
    """Any value does; what is none is said in place."""
    form = "/start?workflow=takes-anything"

    wrong = await send(ana, form, input='{"a": ')
    run = await placet.ended(started(await send(ana, form, input='{"a": [1, "\\u00e9"]}')))

    assert wrong.status_code == 422
    assert "This is not JSON, from line 1" in wrong.text
    assert run["output"] == {"a": [1, "é"]}


async def test_the_form_can_be_left_for_json(placet: Product, ana: Browser) -> None:
    """It is checked alike."""
    form = f"{FORM}&version=2&as=json"

    wrong = await send(ana, form, input='{"orderId": "x", "reason": "lost"}')
    run = await placet.ended(started(await send(ana, form, input='{"orderId": 4, "reason": "lost"}')))

    assert "orderId: This must be a whole number." in wrong.text
    assert run["output"]["orderId"] == 4


async def test_a_run_is_run_again_with_its_input(placet: Product, ana: Browser) -> None:
    """As a new run of the same version; the page says so, and the old one stays as it is."""
    before = await placet.ended(await placet.start("refund", {"orderId": 9, "reason": "broken", "tags": ["a"]}))
    form = f"/start?from={before['id']}"
    shown = (await ana.get(form)).text

    run = await placet.ended(started(await send(ana, form)))

    assert "A run that has ended stays as it ended." in shown
    assert f'href="/runs/{before["id"]}"' in shown
    assert run["id"] != before["id"]
    assert (run["version"], run["output"], run["requestedBy"]) == (2, before["output"], "user:ana")
    assert await placet.run(before["id"]) == before


async def test_an_input_that_the_form_cannot_hold_is_run_again_as_json(placet: Product, ana: Browser) -> None:
    """Nothing of it is lost."""
    input = {"orderId": 9, "reason": "broken", "tags": ["two\nlines"], "unknown": 1}
    before = await placet.ended(await placet.start("refund", input))

    run = await placet.ended(started(await send(ana, f"/start?from={before['id']}")))

    assert run["input"] == input


async def test_a_run_of_what_is_served_no_more_can_be_run_again(placet: Product, ana: Browser) -> None:
    """It waits for an executor, as the page says."""
    before = await placet.start("served-by-nobody", {"a": 1})
    shown = (await ana.get(f"/start?from={before}")).text
    assert "No executor serves this workflow at present" in shown

    run = started(await send(ana, f"/start?from={before}"))

    assert (await placet.run(run))["input"] == {"a": 1}
    assert (await ana.get("/start?workflow=served-by-nobody")).status_code == 404
    assert (await ana.get(f"{FORM}&version=7")).status_code == 404


async def test_who_may_not_start_is_refused(placet: Product, ana: Browser) -> None:
    """A viewer sees no form, and what they send all the same starts nothing."""
    form = fields((await ana.get(FORM)).text, "/start") | FILLED
    async with signed_in(placet.running, "vi") as vi:
        seen = await vi.get(FORM)
        sent = await vi.post("/start", **form | {"token": await vi.token()})

    assert (seen.status_code, sent.status_code) == (403, 403)
    assert "/start" not in seen.text
    assert "starter" in sent.text


async def test_another_sites_form_starts_nothing(placet: Product, ana: Browser) -> None:
    """Nor does one without this session's token."""
    form = fields((await ana.get(FORM)).text, "/start") | FILLED

    elsewhere = await ana.post("/start", origin="https://evil.example", **form)
    without = await ana.post("/start", **form | {"token": "x"})

    assert (elsewhere.status_code, without.status_code) == (403, 403)


async def test_an_overload_is_told_in_place(placet: Product, ana: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was typed, so that the form can be sent once more; it is the same start then."""
    form = fields((await ana.get(FORM)).text, "/start") | FILLED
    assert placet.running._approval is not None
    admission = placet.running._approval.admission
    with monkeypatch.context() as full:
        full.setattr(admission, "_starts", 10_000)
        refused = await ana.post("/start", **form)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "Nothing was started." in refused.text
    assert "starts are under way already" in refused.text
    again = fields(refused.text, "/start")
    assert again == form | {"input/tags": "vip\n eu "}
    await placet.ended(started(await ana.post("/start", **again)))


@pytest.mark.parametrize("tampered", [{"input/more": "1"}, {"key": ""}, {"key": "k" * 200}, {"as": "json"}])
async def test_a_form_that_was_tampered_with_starts_nothing(ana: Browser, tampered: dict[str, str]) -> None:
    """A field that is not in it, no key, another way to read it."""
    answer = await send(ana, **FILLED, **tampered)

    assert answer.status_code == 422
    assert re.search("This form (has changed since it was opened|is not complete)|Fill this in", answer.text)


async def test_a_large_input_is_refused_in_words(ana: Browser) -> None:
    """Before anything is made of it."""
    answer = await send(ana, "/start?workflow=takes-anything", input=f'"{"x" * 2_200_000}"')

    assert answer.status_code == 413
    assert "too large" in answer.text
