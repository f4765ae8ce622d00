"""A browser, as far as signing in needs one: it keeps cookies, and says where its forms come from."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import httpx2

from kit.markup import Markup
from kit.stack import Deployment
from placet_approval.handlers import sessions

LOCAL = "http://localhost:8700"


class Browser:
    """One browser at one address of a deployment; redirects are followed by whoever drives it."""

    def __init__(self, http: httpx2.AsyncClient, origin: str) -> None:
        self.http = http
        self.origin = origin

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    async def get(self, path: str) -> httpx2.Response:
        return await self.http.get(path)

    async def post(self, path: str, origin: str | None = None, **form: str) -> httpx2.Response:
        """Send a form, from a page of this origin unless another is named."""
        return await self.http.post(path, data=form, headers={"Origin": origin or self.origin})

    async def page(self, path: str, status: int = 200) -> Markup:
        """A page, which must be there."""
        answer = await self.get(path)
        assert answer.status_code == status, answer.text
        return Markup(answer.text)

    async def submit(self, path: str, status: int = 303, /, **form: str | list[str]) -> Markup:
        """Send what a form of this session would; the page that comes of it."""
        data = {"token": await self.token(), **form}
        answer = await self.http.post(path, data=data, headers={"Origin": self.origin})
        assert answer.status_code == status, answer.text
        return await self.page(answer.headers["location"]) if status == 303 else Markup(answer.text)

    async def use(self, link: str) -> httpx2.Response:
        """Open a login link, and press its button."""
        path, _, token = link.partition("#")
        page = await self.get(path)
        assert page.status_code == 200
        return await self.post("/sign-in/link", token=token)

    async def token(self) -> str:
        """What the forms of a page of this session carry."""
        return str(re.findall(r'name="token" value="([^"]+)"', (await self.get("/settings")).text)[0])

    async def send(self, page: str, action: str, **filled: str) -> httpx2.Response:
        """Open a page, fill in its form that goes to ``action``, and send that."""
        shown = (await self.get(page)).text
        return await self.post(action, **(fields(shown, action) | filled))


class _Forms(HTMLParser):
    """The fields of each form of a page, by where it goes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] | None = None
        self._open: str | None = None  # the textarea or select that is being read
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        name, value = facts.get("name"), facts.get("value") or ""
        if tag == "form":
            self._form = self.found.setdefault(facts.get("action") or "", {})
        if self._form is None:
            return
        sent = facts.get("type") not in ("checkbox", "radio") or "checked" in facts
        if tag == "input" and sent and name is not None:
            self._form[name] = value
        elif tag in ("textarea", "select") and name is not None:
            self._open = name
            if tag == "textarea":
                self._form[name] = ""
        elif tag == "option" and self._open is not None and ("selected" in facts or self._open not in self._form):
            self._form[self._open] = value

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._open is not None and self.lasttag == "textarea":
            self._form[self._open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._form is not None and self._open is not None:
            self._form[self._open] = self._form[self._open].removeprefix("\n")  # as browsers do
        if tag in ("textarea", "select"):
            self._open = None
        if tag == "form":
            self._form = None


def fields(html: str, action: str) -> dict[str, str]:
    """What a page's form that goes to ``action`` has in it.

    Raises:
        AssertionError: the page has no such form.
    """
    found = _Forms(html).found
    assert action in found, f"no form goes to {action}, but {sorted(found)}"
    return found[action]


@asynccontextmanager
async def browser(running: Deployment, origin: str = LOCAL, agent: str = "Firefox") -> AsyncIterator[Browser]:
    """A fresh browser."""
    transport = httpx2.ASGITransport(app=running.asgi())
    async with httpx2.AsyncClient(transport=transport, base_url=origin, headers={"User-Agent": agent}) as http:
        yield Browser(http, origin)


@asynccontextmanager
async def signed_in(
    running: Deployment, handle: str, origin: str = LOCAL, agent: str = "Firefox"
) -> AsyncIterator[Browser]:
    """The browser of somebody who is known."""
    async with running.connection() as conn:
        link = await sessions.link(conn, handle)
    async with browser(running, origin, agent) as made:
        assert (await made.use(link)).status_code == 303
        yield made
