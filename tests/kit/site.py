"""A deployment that browsers can reach, and the people who use it."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from playwright.async_api import Browser, Page
from starlette.types import ASGIApp

from kit.chromium import Watch, watched
from kit.database import database
from kit.http import serving
from kit.people import know
from kit.product import Product
from kit.stack import ADMIN_KEY, Deployment
from placet import Placet
from placet_approval.domain import Role
from placet_approval.handlers import sessions, users
from placet_approval.handlers.sessions import Begin, Lifetime

_SIGNED_IN = Lifetime(timedelta(hours=8), timedelta(days=7))


class Site:
    """A deployment at an address of its own, and the pages that people have open on it.

    What goes wrong on a page fails the test when its context ends.
    """

    def __init__(self, placet: Product, browser: Browser, listening: socket.socket, pages: AsyncExitStack) -> None:
        self.placet = placet
        self.origin = _origin(listening)
        self._browser = browser
        self._listening = listening
        self._pages = pages
        self._serving = AsyncExitStack()
        self.keys: dict[str, str] = {}  # for the API, of those whom it knows

    async def know(self, handle: str, *groups: str, role: Role = "approver") -> None:
        """Make somebody known."""
        [self.keys[handle]] = await know(self.placet, handle, *groups, role=role)

    async def page(self, handle: str | None = None, **options: Any) -> Page:
        """A page in a browser of its own: of somebody who is signed in, or of nobody."""
        page, _ = await self.watched(handle, **options)
        return page

    async def watched(self, handle: str | None = None, **options: Any) -> tuple[Page, Watch]:
        """A page, and what is seen of what goes wrong on it."""
        page, watch = await self._pages.enter_async_context(watched(self._browser, self.origin, **options))
        if handle is not None:
            await self.sign_in(page, handle)
        return page, watch

    async def sign_in(self, page: Page, handle: str) -> str:
        """Give a page's browser the session that a login link would have begun; its token."""
        async with self.placet.running.connection() as conn:
            user = await users.get(conn, handle)
            who = Begin(conn, user.id, "link")
            token = await sessions.begin(who, agent="Chromium", lifetime=_SIGNED_IN, instead_of=None)
        await page.context.add_cookies([{"name": self.cookie, "value": token, "url": self.origin, "httpOnly": True}])
        return token

    @property
    def cookie(self) -> str:
        """The name of the cookie of sessions."""
        return f"placet-{self._listening.getsockname()[1]}"

    async def login_link(self, handle: str) -> str:
        """A link that signs somebody in."""
        async with self.placet.running.connection() as conn:
            return self.origin + await sessions.link(conn, handle)

    async def answer(self) -> None:
        """Answer requests, until `fall_silent`."""
        await self._serving.enter_async_context(serving(self._app, self._listening.dup()))

    async def fall_silent(self) -> None:
        """Break all connections, and accept no more; the deployment goes on."""
        await self._serving.aclose()

    @property
    def _app(self) -> ASGIApp:
        return self.placet.running.asgi()


S = TypeVar("S", bound=Site)


async def _nothing(database_url: str) -> None: ...


@asynccontextmanager
async def site(
    app: Placet,
    postgres_url: str,
    browser: Browser,
    *,
    kind: type[S],
    prepare: Callable[[str], Awaitable[None]] = _nothing,
    **settings: Any,
) -> AsyncIterator[S]:
    """A deployment with a database of its own, which ``prepare`` is given before it starts; ``settings`` are of its
    approval service."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with database(postgres_url) as database_url, AsyncExitStack() as stack:
            running = Deployment("local", app, database_url, "", "")
            running.approval_options = {"public_url": _origin(listening), **settings}
            stack.push_async_callback(running.stop)
            await prepare(database_url)
            await running.start()
            http = await stack.enter_async_context(running.http(ADMIN_KEY))
            async with AsyncExitStack() as pages:
                made = kind(Product(running, http), browser, listening, pages)
                await made.answer()
                pages.push_async_callback(made.fall_silent)
                yield made


def _origin(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"
