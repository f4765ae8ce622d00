"""The pages that links in notifications lead to. They show nothing of an approval or a run, and change nothing."""

from html import escape
from urllib.parse import quote
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Approval · Placet</title>
<style>
  body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 12vh auto; padding: 0 1.25rem;
         color: light-dark(#1c2024, #edeef0); background: light-dark(#fcfcfd, #111113) }}
  h1 {{ font-size: 1.375rem; margin: 0 0 .5rem }}
  p {{ color: light-dark(#60646c, #b0b4ba) }}
  h2 {{ font-size: 1rem; margin: 1.75rem 0 .25rem }}
  pre {{ padding: .875rem 1rem; border: 1px solid light-dark(#e0e1e6, #2e3135); border-radius: 8px;
        white-space: pre-wrap; overflow-wrap: anywhere;
        background: light-dark(#f9f9fb, #18191b); font: 13px/1.6 ui-monospace, monospace; margin: .25rem 0 }}
</style>
<h1>{title}</h1>
<p>With your API key in <code>PLACET_API_KEY</code>, go on from a terminal.</p>
{commands}
"""

_COMMAND = """<h2>{name}</h2>
<pre>curl -H "Authorization: Bearer $PLACET_API_KEY"{rest}</pre>
"""


async def approval_page(request: Request) -> Response:
    """How to decide; the same for every id, so that it tells nobody which ones exist."""
    try:
        id = UUID(request.path_params["id"])
    except ValueError:
        raise HTTPException(404, "no such page") from None
    url = f"{request.state.public_url}/v1/approvals/{id}"
    return _page(
        "An approval waits for a decision",
        {
            "Look": f" {url}",
            "Approve": f' \\\n  --json \'{{"decision": "approve"}}\' {url}/decisions',
            "Reject": f' \\\n  --json \'{{"decision": "reject", "comment": "why"}}\' {url}/decisions',
        },
    )


async def run_page(request: Request) -> Response:
    """How to look at a run; the same for every id."""
    return _page("A run", {"Look": f" {request.state.public_url}/v1/runs/{quote(request.path_params['id'])}"})


def _page(title: str, commands: dict[str, str]) -> Response:
    shown = "".join(_COMMAND.format(name=name, rest=escape(rest, quote=False)) for name, rest in commands.items())
    return HTMLResponse(_PAGE.format(title=title, commands=shown), headers=_HEADERS)


ROUTES = [
    Route("/approvals/{id}", approval_page, methods=["GET"]),
    Route("/runs/{id:path}", run_page, methods=["GET"]),
]
