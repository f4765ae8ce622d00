"""Pages on which people sign in and out. GET shows, POST does; what fails is a page that says why, and no session."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from urllib.parse import parse_qsl, quote, unquote
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from placet_approval.api import problems
from placet_approval.api.access import Access, address_of
from placet_approval.api.endpoints import read_body
from placet_approval.deps import Deps
from placet_approval.domain import ApprovalError
from placet_approval.handlers import accounts, sessions
from placet_approval.handlers.accounts import Enrolment
from placet_approval.identity import Refused
from placet_approval.inbox.rendering import HEADERS, page
from placet_approval.inbox.visits import signed_in
from placet_approval.oidc import Attempt, Provider, ProviderUnavailable
from placet_runtime.postgres import UNAVAILABLE

log = structlog.get_logger()

HOME = "/inbox"

_ATTEMPT = "-sign-in"  # suffix of the cookie of those who have left for the provider
_ATTEMPT_SECONDS = 600
_FORM = 4096  # bytes


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in beside login links; the lifespan puts it into the state as ``sign_in``."""

    name: str  # of the provider, as people know it
    provider: Provider | None
    enrolment: Enrolment


async def sign_in(request: Request) -> Response:
    """Where signing in begins."""
    if await signed_in(request) is not None:
        return _redirect(_local(request.query_params.get("next")))
    state: SignIn = request.state.sign_in
    provider = state.name if state.provider is not None else None
    target = _local(request.query_params.get("next"))
    return page("sign_in.html", provider=provider, next=target, commands=_commands(request.state.public_url, target))


def _commands(public_url: str, target: str) -> dict[str, str]:
    """How to go on without signing in, with an API key; the same for every id, so that it tells nobody which exist."""
    kind, _, id = target.partition("?")[0].strip("/").partition("/")
    if kind == "runs" and id:
        return {"Look": f" {public_url}/v1/runs/{quote(unquote(id))}"}
    try:
        url = f"{public_url}/v1/approvals/{UUID(id if kind == 'approvals' else '')}"
    except ValueError:
        return {}
    return {
        "Look": f" {url}",
        "Approve": f' \\\n  --json \'{{"decision": "approve"}}\' {url}/decisions',
        "Reject": f' \\\n  --json \'{{"decision": "reject", "comment": "why"}}\' {url}/decisions',
    }


async def login_link(request: Request) -> Response:
    """The page behind a login link, the same for all of them: their tokens are not sent. Its form uses one up."""
    if request.method != "POST":
        return page("login_link.html")
    access: Access = request.state.access
    access.require_own_origin(request)
    token = (await _form(request)).get("token", "").rpartition("#")[2].strip()
    access.throttle.check(token, address_of(request))
    async with _deps(request).pool.acquire() as conn, conn.transaction():
        try:
            user = await sessions.use_link(conn, token)
        except Refused:
            access.throttle.failed(token, address_of(request))
            raise
        return await _begin(request, sessions.Begin(conn, user, "link"), HOME)


async def to_provider(request: Request) -> Response:
    """Sends somebody to the provider, with what must fit when they come back in a cookie."""
    state: SignIn = request.state.sign_in
    if state.provider is None:
        raise Refused("no sign-in provider is set up here")
    attempt = Attempt()
    response = _redirect(await state.provider.leave(attempt))
    kept = asdict(attempt) | {"next": _local(request.query_params.get("next"))}
    cookie = request.state.access.cookie
    cookie.write(response, json.dumps(kept).encode().hex(), seconds=_ATTEMPT_SECONDS, suffix=_ATTEMPT)
    return response


async def from_provider(request: Request) -> Response:
    """Where the provider sends people back to."""
    state: SignIn = request.state.sign_in
    access: Access = request.state.access
    if state.provider is None:
        raise Refused("no sign-in provider is set up here")
    attempt, target = _attempt(access.cookie.read(request, _ATTEMPT))
    account = await state.provider.come_back(attempt, dict(request.query_params))
    async with _deps(request).pool.acquire() as conn, conn.transaction():
        user = await accounts.admit(conn, account, state.enrolment)
        response = await _begin(request, sessions.Begin(conn, user, "oidc"), target)
    access.cookie.remove(response, _ATTEMPT)
    return response


async def sign_out(request: Request) -> Response:
    """Ends the session, or all that its user has."""
    access: Access = request.state.access
    token = access.cookie.read(request)
    form = await _form(request)
    if token is not None:
        access.require_own_page(request, token, form.get("token"))
        found = await signed_in(request) if form.get("everywhere") == "yes" else None
        async with _deps(request).pool.acquire() as conn, conn.transaction():
            await sessions.end(conn, token)
            if found is not None:
                await sessions.end_of(conn, found[0].actor.removeprefix("user:"))
    response = page("signed_out.html", over=False, next=None)
    access.cookie.remove(response)
    return response


async def _begin(request: Request, begin: sessions.Begin, target: str) -> Response:
    """A new session's response; the one that the browser had before is over."""
    access: Access = request.state.access
    if not access.cookie.works:
        raise Refused("signing in needs https, or an address of this machine alone")
    agent = request.headers.get("user-agent", "")
    token = await sessions.begin(begin, agent=agent, lifetime=access.lifetime, instead_of=access.cookie.read(request))
    response = _redirect(target)
    access.cookie.write(response, token, seconds=int(access.lifetime.total.total_seconds()))
    return response


async def _form(request: Request) -> dict[str, str]:
    raw = await read_body(request, _FORM)
    return dict(parse_qsl((raw or b"").decode("latin-1"), keep_blank_values=True))


def _attempt(kept: str | None) -> tuple[Attempt, str]:
    try:
        facts = json.loads(bytes.fromhex(kept or ""))
        target = _local(facts.pop("next"))
        return Attempt(**facts), target
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused("this sign-in was begun in another browser, or is over: begin again") from error


def _local(target: str | None) -> str:
    """A path of ours to go on to; whatever else is asked for leads home."""
    fits = target is not None and target.startswith("/") and target.isprintable() and not {"\\", " "} & set(target)
    return target if target is not None and fits and not target.startswith("//") else HOME


def _redirect(target: str) -> Response:
    return RedirectResponse(target, 303, HEADERS)


def _deps(request: Request) -> Deps:
    deps: Deps = request.state.services.deps
    return deps


def _told(view: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Has what fails told on a page."""

    async def told(request: Request) -> Response:
        try:
            return await view(request)
        except ApprovalError as error:
            return _message(problems.of(error).status, _sentence(error), problems.headers(error))
        except (ProviderUnavailable, *UNAVAILABLE) as error:
            who = "sign-in provider" if isinstance(error, ProviderUnavailable) else "database"
            detail = f"The {who} does not answer as it should. Nothing has happened: try again in a while."
            return _message(503, detail, {"Retry-After": "5"})

    return told


_TITLE = "You are not signed in"


def _message(status: int, detail: str, headers: dict[str, str]) -> Response:
    facts = {"title": _TITLE, "detail": detail, "back": "/sign-in", "back_text": "Sign in"}
    return page("message.html", status=status, headers=headers, **facts)


def _sentence(error: ApprovalError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


ROUTES = [
    Route("/sign-in", _told(sign_in), methods=["GET"]),
    Route("/sign-in/link", _told(login_link), methods=["GET", "POST"]),
    Route("/sign-in/provider", _told(to_provider), methods=["GET"]),
    Route("/sign-in/callback", _told(from_provider), methods=["GET"]),
    Route("/sign-out", _told(sign_out), methods=["POST"]),
]
