"""The page that links in notifications lead to. It shows nothing of the approval, and changes nothing."""

from html import escape
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
  pre {{ padding: .875rem 1rem; border: 1px solid light-dark(#e0e1e6, #2e3135); border-radius: 8px; overflow-x: auto;
        background: light-dark(#f9f9fb, #18191b); font: 13px/1.6 ui-monospace, monospace; margin: .25rem 0 }}
</style>
<h1>An approval waits for a decision</h1>
<p>With your API key in <code>PLACET_API_KEY</code>, look at it and decide from a terminal.</p>
<h2>Look</h2>
<pre>curl -H "Authorization: Bearer $PLACET_API_KEY" {url}</pre>
<h2>Approve</h2>
<pre>curl -H "Authorization: Bearer $PLACET_API_KEY" \\
  --json '{{"decision": "approve"}}' {url}/decisions</pre>
<h2>Reject</h2>
<pre>curl -H "Authorization: Bearer $PLACET_API_KEY" \\
  --json '{{"decision": "reject", "comment": "why"}}' {url}/decisions</pre>
"""


async def approval_page(request: Request) -> Response:
    """How to decide; the same for every id, so that it tells nobody which ones exist."""
    try:
        id = UUID(request.path_params["id"])
    except ValueError:
        raise HTTPException(404, "no such page") from None
    url = f"{request.state.public_url}/v1/approvals/{id}"
    return HTMLResponse(_PAGE.format(url=escape(url)), headers=_HEADERS)


ROUTES = [Route("/approvals/{id}", approval_page, methods=["GET"])]
