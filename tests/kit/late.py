"""Answers that come late, as from afar or to a slow machine."""

import asyncio

from playwright.async_api import Page, Route


class Late:
    """Answers to a page that are on their way until `come`: what the service has said by then is what they say."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self._coming = asyncio.Event()

    def come(self) -> None:
        """Have them arrive, and those after them at once."""
        self._coming.set()

    async def answer(self, route: Route) -> None:
        if self._coming.is_set():
            await route.continue_()
            return
        response = await route.fetch()
        self.answered.set()
        await self._coming.wait()
        await route.fulfill(response=response)


async def late(page: Page, url: str) -> Late:
    """Have answers from an address, a glob, be late from now on."""
    made = Late()
    await page.route(url, made.answer)
    return made
