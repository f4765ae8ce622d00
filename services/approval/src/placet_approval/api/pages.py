"""The pages that links in notifications lead to. They show nothing of an approval or a run, and change nothing."""

from urllib.parse import quote
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.inbox.rendering import page


async def approval_page(request: Request) -> Response:
    """How to decide; the same for every id, so that it tells nobody which ones exist."""
    try:
        id = UUID(request.path_params["id"])
    except ValueError:
        raise HTTPException(404, "no such page") from None
    url = f"{request.state.public_url}/v1/approvals/{id}"
    commands = {
        "Look": f" {url}",
        "Approve": f' \\\n  --json \'{{"decision": "approve"}}\' {url}/decisions',
        "Reject": f' \\\n  --json \'{{"decision": "reject", "comment": "why"}}\' {url}/decisions',
    }
    return page("commands.html", title="An approval waits for a decision", commands=commands)


async def run_page(request: Request) -> Response:
    """How to look at a run; the same for every id."""
    url = f"{request.state.public_url}/v1/runs/{quote(request.path_params['id'])}"
    return page("commands.html", title="A run", commands={"Look": f" {url}"})


ROUTES = [
    Route("/approvals/{id}", approval_page, methods=["GET"]),
    Route("/runs/{id:path}", run_page, methods=["GET"]),
]
