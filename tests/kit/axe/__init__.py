"""Accessibility of a page as it stands, by axe."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

_SOURCE = (Path(__file__).parent / "axe.min.js").read_text("utf-8")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    """What is wrong: for each rule and element a line that says what, where, and what would help."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_SOURCE)
    options = {"runOnly": _RULES, "resultTypes": ["violations"]}
    found: list[dict[str, Any]] = await page.evaluate("async options => (await axe.run(options)).violations", options)
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]}: {' '.join(str(node['failureSummary']).split())}"
        for rule in found
        for node in rule["nodes"]
    ]


async def accessible(page: Page) -> None:
    """Raises `AssertionError` with all that keeps somebody from using the page."""
    found = await violations(page)
    assert not found, f"{page.url}:\n" + "\n".join(found)
