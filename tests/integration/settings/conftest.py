"""An office for each module, and browsers in which its people are signed in."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest_asyncio

from kit import office as kit
from kit.browser import Browser, browser
from kit.office import Office
from placet_approval.handlers import sessions

SignIn = Callable[[str], Any]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(postgres_url: str, amqp_url: str) -> AsyncIterator[Office]:
    async with kit.office(postgres_url, amqp_url) as made:
        yield made


@asynccontextmanager
async def signed_in(office: Office, handle: str, agent: str = "Firefox") -> AsyncIterator[Browser]:
    """A browser of somebody who has used a login link."""
    async with office.placet.running.connection() as conn:
        path = await sessions.link(conn, handle)
    async with browser(office.placet.running, agent=agent) as made:
        assert (await made.use(path)).status_code == 303
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def eve(office: Office) -> AsyncIterator[Browser]:
    """An admin's browser."""
    async with signed_in(office, "eve") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(office: Office) -> AsyncIterator[Browser]:
    """An approver's browser."""
    async with signed_in(office, "ana") as made:
        yield made
