"""Requests for people in a browser, and those people: Ana and Bo, of finance and the board, and Vi, who only looks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Locator, Page

from kit.site import Site, site
from placet import Context, Group, Interrupt, Placet

app = Placet()


@app.workflow("refund")
async def refund(ctx: Context, input: dict[str, Any]) -> Any:
    """Ask anybody."""
    if ctx.approved:
        return f"paid {input['title']}"
    return Interrupt.approval(title=input["title"], message="Pay **this** back?", context=input.get("context"))


@app.workflow("payment")
async def payment(ctx: Context, input: dict[str, Any]) -> Any:
    """Ask two of finance."""
    if ctx.approved:
        return f"paid {input['title']}"
    return Interrupt.approval(title=input["title"], approvers=Group("finance"), required=2)


class Inbox(Site):
    """A site with requests on it."""

    async def ask(self, title: str, workflow: str = "refund", **input: Any) -> dict[str, Any]:
        """A request that waits."""
        return await self.placet.paused(await self.placet.start(workflow, {"title": title, **input}))

    async def decide_as(self, handle: str, approval: dict[str, Any], decision: str) -> None:
        """Have somebody decide elsewhere."""
        async with self.placet.running.http(self.keys[handle]) as http:
            body = {"decision": decision}
            answer = await http.post(f"/v1/approvals/{approval['id']}/decisions", json=body)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def inbox(postgres_url: str, browser: Browser, **settings: Any) -> AsyncIterator[Inbox]:
    """A site where a decision takes effect at once, unless ``settings`` of the approval service say otherwise."""
    async with site(app, postgres_url, browser, kind=Inbox, **{"undo_seconds": 0, **settings}) as made:
        await made.know("ana", "finance", "board")
        await made.know("bo", "finance", "board")
        await made.know("vi", role="viewer")
        yield made


def row(page: Page, title: str) -> Locator:
    """The row of a request in the list."""
    return page.locator("#list [data-row]").filter(has_text=title)


def open_request(page: Page) -> Locator:
    """The title of the request that is shown."""
    return page.locator("#detail h1")


async def live(page: Page) -> None:
    """Wait until a page hears what moves."""
    await page.locator("body[data-here-live=yes]").wait_for(state="attached")
