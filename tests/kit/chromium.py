"""The machine's Chromium, driven by Playwright. Its pages must say nothing wrong, and ask nobody else for anything.

Playwright's own browsers are never used: what people have is what is tested.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    async_playwright,
    expect,
)

from kit import debian
from kit.outcome import CannotBeHad

_PATIENCE = 30_000  # milliseconds until what a page does not show is missing: a busy machine is slow
expect.set_options(timeout=_PATIENCE)

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LOCK = Path(tempfile.gettempdir()) / f"placet-tests-chromium-{os.getuid()}.lock"
_FLAGS = [
    "--headless",
    "--no-sandbox",  # which root cannot have, nor many containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # containers often have little
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
]


def executable() -> str:
    """Where Chromium is; Debian's package is installed where there is none.

    Raises:
        CannotBeHad: it is missing, and cannot be installed.
    """
    if (found := _find()) is not None:
        return found
    with _alone():
        if (found := _find()) is not None:
            return found
        try:
            debian.install("chromium")
        except CannotBeHad as error:
            raise CannotBeHad(f"Chromium cannot be had: {error}\nInstall it: one of {', '.join(_NAMES)}") from error
    if (found := _find()) is None:
        raise CannotBeHad("Chromium cannot be had: Debian's package brought none")
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser process, for contexts of those who use it; it belongs to the event loop that it was started in.

    Raises:
        CannotBeHad: there is no Chromium.
    """
    with tempfile.TemporaryDirectory(prefix="placet-chromium-", ignore_cleanup_errors=True) as home:
        environment: dict[str, str | float | bool] = {**os.environ, "HOME": home}  # not every user has one
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable(), args=_FLAGS, env=environment)
            try:
                yield browser
            finally:
                await browser.close()


class Watch:
    """What the pages of a context have done wrong: errors on the console, in scripts, and requests to others.

    A test that has a page fail says so beforehand: ``tolerated`` are parts of what may be said.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.faults: list[str] = []
        self.tolerated: list[str] = []

    def on(self, context: BrowserContext) -> None:
        """Watch a context."""
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)

    def check(self) -> None:
        """Raises `AssertionError` with all that was wrong."""
        faults = [fault for fault in self.faults if not any(part in fault for part in self.tolerated)]
        assert not faults, "\n".join(faults)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):  # what the content security policy refuses is here, too
            self.faults.append(f"console: {message.text} ({message.location.get('url')})")

    def _error(self, error: WebError) -> None:
        self.faults.append(f"script: {error.error}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.faults.append(f"request to another origin: {request.url}")


@asynccontextmanager
async def watched(browser: Browser, origin: str, **options: Any) -> AsyncIterator[tuple[Page, Watch]]:
    """A page in a context of its own, as somebody in Berlin has it; fails at the end for what went wrong on it."""
    chosen: dict[str, Any] = {
        "base_url": origin,
        "locale": "en-GB",
        "timezone_id": "Europe/Berlin",
        "viewport": {"width": 1280, "height": 800},
        "color_scheme": "light",
        **options,
    }
    context = await browser.new_context(**chosen)
    context.set_default_timeout(_PATIENCE)
    watch = Watch(origin)
    watch.on(context)
    try:
        yield await context.new_page(), watch
        for page in context.pages:
            await page.evaluate("0")  # what it has said before has come by then
        watch.check()
    finally:
        await context.close()


def _find() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name)) is not None), None)


@contextmanager
def _alone() -> Iterator[None]:
    """One process of ours at a time: several run tests, and one is enough to install something."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
