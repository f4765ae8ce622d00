"""What the kit says of pages is so: nothing that goes wrong on one goes unseen."""

import pytest
from playwright.async_api import Browser
from starlette.responses import HTMLResponse, Response

from kit.axe import accessible, violations
from kit.chromium import watched
from kit.http import http_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

_WRONG = {
    "an error on the console": ("<script>console.error('oh no')</script>", "console: oh no"),
    "an error in a script": ("<script>throw new Error('oh no')</script>", "script: oh no"),
    "a rejected promise": ("<script>Promise.reject(new Error('oh no'))</script>", "oh no"),
    "a file that is missing": ("<script src='/missing.js'></script>", "404"),
    "a request to somebody else": ("<img src='http://127.0.0.2:9/pixel.png' alt=''>", "another origin: http://"),
    "a connection to somebody else": (
        "<script>fetch('http://127.0.0.2:9/x').catch(() => 1)</script>",
        "another origin",
    ),
}
_POLICY = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; img-src data:"}


def page_of(body: str, **headers: str) -> Response:
    """A page that is fine, but for its body."""
    head = "<title>Page</title><link rel='icon' href='data:,'>"
    return HTMLResponse(f"<!doctype html><html lang=en>{head}<main><h1>Page</h1>{body}</main>", headers=headers)


async def visit(browser: Browser, origin: str) -> None:
    """Open a page, and press somewhere."""
    async with watched(browser, origin) as (page, _):
        await page.goto("/")
        await page.locator("main").click()


@pytest.mark.parametrize("what", _WRONG)
async def test_what_goes_wrong_on_a_page_fails_its_test(browser: Browser, what: str) -> None:
    """Errors of all kinds and requests to others are seen, and say what they are."""
    body, said = _WRONG[what]
    async with http_server() as server:
        server.answers["/"].append(page_of(body))
        server.default = Response(status_code=404)
        with pytest.raises(AssertionError, match=said):
            await visit(browser, server.origin)


@pytest.mark.parametrize("body", ["<script>1</script>", "<p style='color: red'>red</p>", "<p onclick='1'>click</p>"])
async def test_what_the_security_policy_refuses_is_seen(browser: Browser, body: str) -> None:
    """Scripts, styles and handlers in the page itself fail the test where the policy refuses them."""
    async with http_server() as server:
        server.default = page_of(body, **_POLICY)
        with pytest.raises(AssertionError, match="Content Security Policy"):
            await visit(browser, server.origin)


async def test_a_page_that_does_nothing_wrong_passes(browser: Browser) -> None:
    """A plain page has no faults and no violations, under a strict policy too, and knows where it is."""
    async with http_server() as server:
        server.default = page_of("<p>Text", **_POLICY)
        async with watched(browser, server.origin) as (page, watch):
            await page.goto("/")
            await accessible(page)
            zone = await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")

    assert (zone, watch.faults) == ("Europe/Berlin", [])


async def test_what_keeps_people_from_using_a_page_is_found(browser: Browser) -> None:
    """A field without a label and an image without a text are told of, with what they are."""
    async with http_server() as server:
        server.default = page_of("<input name=q><img src='data:,'>")
        async with watched(browser, server.origin) as (page, _):
            await page.goto("/")
            found = "\n".join(await violations(page))

    assert "label: " in found
    assert "image-alt: " in found
