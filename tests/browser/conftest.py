"""One browser a worker, which lives in the event loop of the session: tests of this folder are marked to run there."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from kit.chromium import chromium
from kit.inbox import Inbox, inbox


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The machine's Chromium."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def here(postgres_url: str, browser: Browser) -> AsyncIterator[Inbox]:
    """A deployment of the test's own, where decisions take effect at once."""
    async with inbox(postgres_url, browser) as made:
        yield made
