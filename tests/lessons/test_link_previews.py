"""Link previews and mail scanners approved requests (n8n#27870, activepieces#14024)."""

import re

import pytest

from kit.lessons import done
from kit.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCANNERS = [
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Microsoft Exchange Online Protection)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
]


@pytest.mark.parametrize("agent", SCANNERS)
async def test_who_follows_links_decides_nothing(placet: Product, agent: str) -> None:
    """A scanner fetches the page of a notification and every address that stands on it; then a person decides."""
    run_id = await placet.start("one-gate")
    approval = await placet.paused(run_id)
    async with placet.running.http("") as scanner:
        first = await scanner.get(f"/approvals/{approval['id']}", headers={"User-Agent": agent})
        page = (await scanner.get(first.headers["location"], headers={"User-Agent": agent})).text
        found = set(re.findall(r"https?://[^\s<\"']+", page))
        assert found
        for url in [f"/approvals/{approval['id']}", *sorted(found)]:
            path = re.sub(r"^https?://[^/]+", "", url)
            for method in ("HEAD", "GET", "GET"):
                await scanner.request(method, path, headers={"User-Agent": agent})

    assert await placet.approval(approval["id"]) == approval
    await placet.approve(approval)
    assert (await placet.ended(run_id))["status"] == "completed"
    assert done[run_id] == ["entered", "entered", "effect"]
