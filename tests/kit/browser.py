"""A browser, as far as signing in needs one: it keeps cookies, and says where its forms come from."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from kit.markup import Markup
from kit.stack import Deployment

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

    async def send(self, path: str, status: int = 303, /, **form: str | list[str]) -> Markup:
        """Send a form of a page of this session; the page that comes of it, and what that says first."""
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
        [token] = re.findall(r'name="token" value="([^"]+)"', (await self.get("/account")).text)
        return str(token)


@asynccontextmanager
async def browser(running: Deployment, origin: str = LOCAL, agent: str = "Firefox") -> AsyncIterator[Browser]:
    """A fresh browser."""
    transport = httpx2.ASGITransport(app=running.asgi())
    async with httpx2.AsyncClient(transport=transport, base_url=origin, headers={"User-Agent": agent}) as http:
        yield Browser(http, origin)
