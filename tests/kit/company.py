"""The demo's company in tests: a deployment with something on every page, and the address of each page."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Browser
from starlette.routing import Route

from kit.database import database
from kit.product import Product
from kit.site import Site, site
from kit.stack import Deployment
from kit.waiting import eventually
from placet_approval.inbox.routes import ROUTES
from placet_standalone.demo import company, seeding

PARTS = {"/live", "/inbox/waiting", "/inbox/toasts"}  # of pages, never shown by themselves

_ENDED = "SELECT '/approvals/' || id FROM approvals WHERE status = '{}' ORDER BY opened_at DESC, id LIMIT 1"
_FAILS = "SELECT FROM runs WHERE id = 'sync-stock-morning' AND ended_at IS NULL"
_RUN = "SELECT '/runs/' || id FROM runs WHERE {} ORDER BY created_at DESC, id LIMIT 1"
_USER, _GROUP, _POLICY = "/settings/users/{handle}", "/settings/groups/{name}", "/settings/policies/{name}"

# Addresses of pages by their routes: as they are, or what has to be asked for them. One that has no parameters is there
# by itself; whoever adds one that has says here what it is made of.
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "/inbox": {
        "mine": "/inbox",
        "groups": "/inbox?shelf=groups",
        "all, due first": "/inbox?shelf=all&order=due",
        "history": "/inbox?shelf=history",
        "nothing found": "/inbox?q=nothing+is+called+this",
    },
    "/inbox/several": {
        "approve": "SELECT '/inbox/several?decision=approve&' || string_agg('id=' || id, '&') "
        "FROM (SELECT id FROM approvals WHERE status = 'pending' AND workflow IN ('refund', 'deploy')) AS a",
        "reject": "SELECT '/inbox/several?decision=reject&id=' || id FROM approvals WHERE status = 'pending' LIMIT 1",
        "nothing": "/inbox/several?decision=approve",
    },
    "/approvals/{id}": {
        **{
            workflow: f"SELECT '/approvals/' || id FROM approvals WHERE status = 'pending' AND workflow = '{workflow}' "
            "ORDER BY opened_at, id LIMIT 1"
            for workflow in ("refund", "deploy", "vendor-payment", "customer-mail", "access-request", "data-export")
        },
        **{status: _ENDED.format(status) for status in ("approved", "rejected", "expired", "cancelled")},
        "not there": "/approvals/00000000-0000-0000-0000-000000000000",
    },
    "/runs/{id:path}": {
        **{status: _RUN.format(f"status = '{status}'") for status in ("paused", "completed", "failed", "rejected")},
        "decided": _RUN.format("status = 'completed' AND EXISTS (SELECT FROM approvals AS a WHERE a.run_id = runs.id)"),
        "parked": _RUN.format("parked"),
        "not there": "/runs/nothing/of/this/name",
    },
    "/runs": {"all": "/runs", "failed": "/runs?status=failed", "nothing": "/runs?workflow=nothing"},
    "/start": {"choice": "/start", "refund": "/start?workflow=refund"},
    "/workflows/{name}": {"served": "/workflows/refund", "parked": "/workflows/newsletter"},
    "/quarantine/{service}/{id}": {
        "unreadable": "SELECT '/quarantine/' || service || '/' || id FROM quarantined ORDER BY at DESC, id LIMIT 1"
    },
    "/quarantine/confirm": {
        "discard": "SELECT '/quarantine/confirm?action=discard&id=' || service || '/' || id FROM quarantined LIMIT 1"
    },
    _USER: {"bo": "/settings/users/bo"},
    f"{_USER}/disable": {"bo": "/settings/users/bo/disable"},
    _GROUP: {"finance": "/settings/groups/finance"},
    f"{_GROUP}/delete": {"finance": "/settings/groups/finance/delete"},
    "/settings/keys/{id}/revoke": {"bo": "SELECT '/settings/keys/' || id || '/revoke' FROM api_keys LIMIT 1"},
    _POLICY: {"large-refunds": "/settings/policies/large-refunds"},
    f"{_POLICY}/edit": {"large-refunds": "/settings/policies/large-refunds/edit"},
    f"{_POLICY}/end": {"large-refunds": "/settings/policies/large-refunds/end"},
}


def routes(method: str) -> list[str]:
    """The paths of the inbox's routes that take a method, as they are in the table."""
    return sorted({each.path for each in ROUTES if isinstance(each, Route) and method in (each.methods or ())})


def pages() -> list[tuple[str, str]]:
    """Every page: its route, and which example of it."""
    shown = [path for path in routes("GET") if path not in PARTS]
    return [(path, example) for path in shown for example in EXAMPLES.get(path, {"": path})]


async def address(running: Deployment, route: str, example: str) -> str:
    """The address of a page."""
    said = EXAMPLES.get(route, {"": route})[example]
    assert "{" not in said, f"say in kit/company.py what an address of {route} is made of"
    if said.startswith("/"):
        return said
    [found] = await running.query("approval", said)
    [path] = found.values()
    assert path is not None, f"the demo has nothing for {route}: {example}"
    return str(path)


@asynccontextmanager
async def company_at_work(postgres_url: str) -> AsyncIterator[Product]:
    """The company at work, for those who need no browser."""
    async with database(postgres_url) as database_url:
        running = Deployment("local", company.app, database_url, "", "")
        await seeding.prepare(database_url)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(running.stop)
            await running.start()
            made = Product(running, await stack.enter_async_context(running.http()))
            await fill(made)
            yield made


@asynccontextmanager
async def company_site(postgres_url: str, browser: Browser) -> AsyncIterator[Site]:
    """The company at work, as browsers see it."""
    async with site(company.app, postgres_url, browser, kind=Site, prepare=seeding.prepare) as made:
        await fill(made.placet)
        yield made


async def fill(placet: Product) -> None:
    """Start what waits, and wait until the rest is done."""
    running = placet.running
    assert running._approval is not None
    assert await seeding.fill(running._approval.services)

    async def quiet() -> bool:
        """Whether what fails has failed, and what cannot be read was told of."""
        failing = await running.query("approval", _FAILS)
        told = await running.query("approval", "SELECT FROM quarantined")
        return bool(told) and not failing

    await eventually(quiet)
