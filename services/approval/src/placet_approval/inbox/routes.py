"""All that people see: pages, what their forms do, and the files of both."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from placet_approval.inbox import live, sign_in
from placet_approval.inbox.rendering import HEADERS
from placet_approval.inbox.views import approvals, deciding, insights, quarantine, runs, settings, starting, workflows


async def home(request: Request) -> Response:
    """Where everybody begins."""
    return RedirectResponse("/inbox", 303, HEADERS)


ROUTES: list[BaseRoute] = [
    Route("/", home, methods=["GET"]),
    *approvals.ROUTES,
    *deciding.ROUTES,
    *starting.ROUTES,
    *runs.ROUTES,
    *workflows.ROUTES,
    *insights.ROUTES,
    *quarantine.ROUTES,
    *settings.ROUTES,
    *live.ROUTES,
    *sign_in.ROUTES,
    Mount("/static", StaticFiles(packages=[("placet_approval.inbox", "static")])),
]
