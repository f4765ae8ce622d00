"""What strangers write is text, wherever it is shown."""

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic_core import to_json

from kit.browser import Browser, signed_in
from kit.people import know
from kit.product import Product, product
from placet import Context, Interrupt, Placet
from placet_approval.domain import Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea></title></style><script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "<a href='jAvAsCrIpT:alert(1)'>x</a>",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=https://evil.example><button>Approve</button></form>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--><script>alert(1)</script-->",
    "<style>*{display:none}</style><base href=//evil.example>",
    "\u202egnp.exe \ufeff <b hx-get=/sign-out hx-trigger=load>",
]
_ACTIVE = {
    "iframe",
    "object",
    "embed",
    "base",
    "style",
    "foreignobject",
    "animate",
    "set",
    "audio",
    "video",
    "img",
    "math",
}
_ADDRESSES = {"href", "src", "action", "formaction", "xlink:href", "srcset", "poster"}


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    """Ask just what somebody wrote."""
    if ctx.approved:
        raise RuntimeError(input["text"])
    text = input["text"]
    return Interrupt.approval(title=text, message=text, context={text: [text, {"deep": text}], "before": text})


class Reader(HTMLParser):
    """What a page would do, parsed back."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag in _ACTIVE:
            self.wrong.append(f"<{tag}>")
        if tag == "script" and not (facts.get("src") or "").startswith("/static/"):
            self.wrong.append("a script of its own")
        if tag == "form" and not (facts.get("action") or "/").startswith("/"):
            self.wrong.append(f"a form that goes to {facts.get('action')}")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc") or name.startswith("hx-on"):
                self.wrong.append(f"{tag} {name}")
            address = "".join((value or "").split()).lower()
            if name in _ADDRESSES and address.startswith(("javascript:", "data:", "vbscript:", "//")):
                self.wrong.append(f"{tag} {name}={value}")
            if name == "hx-get" and (value or "").startswith("/sign-out"):
                self.wrong.append(f"{tag} {name}={value}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        await know(made, "ana")
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ana(placet: Product) -> AsyncIterator[Browser]:
    async with signed_in(placet.running, "ana", agent="<script>alert(1)</script>") as made:
        yield made


@pytest.mark.parametrize("text", PAYLOADS)
async def test_what_a_stranger_writes_is_shown_as_text(placet: Product, ana: Browser, text: str) -> None:
    """As title, message, context, input, requester and comment: no page runs, loads or sends anything."""
    assert placet.running._approval is not None
    run_id = f"a/..//javascript:x@{uuid4().hex[:6]}"  # of no other letters than these are run ids
    input = to_json({"text": text}).decode()
    start = Start(run_id, "asks", None, input, started_by=f"agent:{text}", idempotency_key=None)
    await placet.running._approval.services.start.submit(start)
    asked = await placet.paused(quote(run_id, safe=""))
    page, run = f"/approvals/{asked['id']}", f"/runs/{quote(run_id, safe='')}"
    several = f"/inbox/several?id={asked['id']}&decision=approve"
    shown = [page, several, "/inbox?shelf=all", f"/inbox?q={quote(text)}"]
    before = [await ana.get(path) for path in shown]
    await placet.reject(asked, comment=text)
    await placet.ended(quote(run_id, safe=""))
    after = [page, run, "/runs", "/inbox?shelf=history", "/settings"]

    for answer in [*before, *[await ana.get(path) for path in after]]:
        assert answer.status_code == 200, (answer.request.url, answer.text[:500])
        assert Reader(answer.text).wrong == [], answer.request.url


@pytest.mark.parametrize("text", PAYLOADS)
async def test_what_a_link_says_is_shown_as_text(ana: Browser, text: str) -> None:
    """Parameters and paths of URLs that somebody was sent are text, too."""
    said, segment = quote(text), quote(text, safe="")
    for path in (
        f"/inbox?q={said}&workflow={said}&after={said}",
        f"/runs?workflow={said}",
        f"/runs/{segment}",
        f"/workflows/{segment}",
        f"/sign-in?next={said}",
        f"/approvals/{segment}",
    ):
        answer = await ana.get(path)
        assert answer.status_code < 500
        assert Reader(answer.text).wrong == [], path
