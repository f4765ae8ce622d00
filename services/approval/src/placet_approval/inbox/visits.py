"""A signed-in person's request for a page: who it is, what it brings, and what is answered.

Pages are shown by GET, which changes nothing, and things are done by POST, from a form of one's own session's page.
What fails is a page that says why.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import structlog
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from placet_approval.api import problems
from placet_approval.api.access import Access
from placet_approval.api.endpoints import read_body
from placet_approval.api.services import Services
from placet_approval.deps import Deps
from placet_approval.domain import MAY, Action, ApprovalError, Caller, Person
from placet_approval.handlers import shelves
from placet_approval.handlers.sessions import anti_forgery
from placet_approval.identity import Forged
from placet_approval.inbox import rendering
from placet_approval.store import identities
from placet_runtime.postgres import UNAVAILABLE

log = structlog.get_logger()

_TOLD = "-told"  # suffix of the cookie that carries a message to the next page
_TOLD_SECONDS = 60
_LONGEST_TOLD = 500  # characters
_MOST_FIELDS = 5000

MANY = 100  # requests that wait for somebody are counted up to here

_SECTIONS: Sequence[tuple[str, str, str, str, Action]] = (
    ("inbox", "/inbox", "Inbox", "inbox", "read"),
    ("runs", "/runs", "Runs", "play", "read"),
    ("workflows", "/workflows", "Workflows", "workflow", "read"),
    ("insights", "/insights", "Insights", "chart-column", "read"),
    ("quarantine", "/quarantine", "Quarantine", "shield-alert", "manage"),
    ("settings", "/settings", "Settings", "settings", "self"),
)

View = Callable[["Visit"], Awaitable[Response]]
Route = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page, by somebody who is signed in and may make it.

    ``session`` is the secret of the browser's cookie; ``fields`` are those of a POST.
    """

    request: Request
    caller: Caller
    person: Person
    session: str
    services: Services
    fields: Sequence[tuple[str, str]] = ()
    waiting: int = 0  # for this person, up to `MANY`

    @property
    def waiting_text(self) -> str:
        return f"{MANY - 1}+" if self.waiting >= MANY else str(self.waiting)

    @property
    def sections(self) -> list[tuple[str, str, str, str]]:
        """The entries of the navigation that this person has: name, address, title, icon."""
        return [(name, url, title, sign) for name, url, title, sign, action in _SECTIONS if self.caller.may(action)]

    @property
    def token(self) -> str:
        """What a form of this session's page carries, to prove that it is one."""
        return anti_forgery(self.session)

    @property
    def deps(self) -> Deps:
        return self.services.deps

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a POST; of those that come several times, the last."""
        return dict(self.fields)

    def form_list(self, name: str) -> list[str]:
        """All values of a field of a POST."""
        return [value for field, value in self.fields if field == name]

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the URL, without the NUL that Postgres does not take."""
        return str(self.request.query_params.get(name, default)).replace("\0", "")

    @property
    def part(self) -> str | None:
        """The id of the part of the page that is wanted alone; ``None`` where it is the whole."""
        target = self.request.headers.get("hx-target")
        return None if target is None else target.rpartition("#")[2]

    def page(self, template: str, *, section: str, status: int = 200, **facts: Any) -> Response:
        """A page within the frame; ``section`` is the entry of the navigation that it belongs to."""
        access: Access = self.request.state.access
        told = _told(access.cookie.read(self.request, _TOLD))
        response = rendering.page(template, status=status, visit=self, section=section, told=told, **facts)
        if told is not None:
            access.cookie.remove(response, _TOLD)
        return response

    def go(self, url: str, told: str | None = None, tone: str = "good") -> Response:
        """Send the browser on to a page of ours, which says ``told`` once."""
        access: Access = self.request.state.access
        response = RedirectResponse(url, 303, rendering.HEADERS)
        if told is not None:
            message = quote(json.dumps([tone, told[:_LONGEST_TOLD]]))
            access.cookie.write(response, message, seconds=_TOLD_SECONDS, suffix=_TOLD)
        return response


def shows(view: View, action: Action = "read", *, by_itself: bool = False) -> Route:
    """A page, for whoever may do this. ``by_itself``: open pages ask for it, which does not keep anybody signed in."""
    return _route(view, action, changes=False, by_itself=by_itself)


def does(view: View, action: Action, *, most: int = 64 * 1024) -> Route:
    """What a form has done, for whoever may do it; a form has at most ``most`` bytes."""
    return _route(view, action, changes=True, most=most)


def _route(view: View, action: Action, *, changes: bool, most: int = 0, by_itself: bool = False) -> Route:
    async def answer(request: Request) -> Response:
        visit = await _visit(request, by_itself=by_itself)
        if visit is None:
            return _signed_out(request, changes=changes)
        try:
            if changes:
                visit = await _with_form(visit, most)
            if not visit.caller.may(action):
                return trouble(visit, 403, f"You may not do this: it needs {_roles(action)}.")
            return await view(visit)
        except ApprovalError as error:
            return trouble(visit, problems.of(error).status, _sentence(str(error)), problems.headers(error))
        except TooLarge as error:
            return trouble(visit, 413, _sentence(str(error)))
        except ValidationError as error:
            return trouble(visit, 422, _sentence(problems.invalid(error).detail))

    async def route(request: Request) -> Response:
        try:
            return await answer(request)
        except UNAVAILABLE:
            detail = "The database does not answer. Nothing is known to have happened: try again in a while."
            return alone(503, detail, {"Retry-After": "5"})
        except ApprovalError as error:
            return alone(problems.of(error).status, _sentence(str(error)), problems.headers(error))
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("page.failed", method=request.method, path=request.url.path)
            return alone(500, "Something is broken here; the log says what.", {})

    return route


async def signed_in(request: Request, *, by_itself: bool = False) -> tuple[Caller, str] | None:
    """Who a browser's session is of, and its token. ``by_itself``: nobody may be looking at the page that asks."""
    access: Access = request.state.access
    token = access.cookie.read(request)
    caller = await access.by_session(token, by_itself=by_itself) if token is not None else None
    return None if token is None or caller is None else (caller, token)


async def _visit(request: Request, *, by_itself: bool) -> Visit | None:
    found = await signed_in(request, by_itself=by_itself)
    if found is None:
        return None
    caller, token = found
    services: Services = request.state.services
    async with services.deps.pool.acquire() as conn:
        person = (await identities.resolve(conn, [caller.actor])).get(caller.actor)
    if person is None:
        return None
    whole = request.method == "GET" and "hx-request" not in request.headers
    waiting = (await shelves.counts(services.deps, person)).mine if whole else 0
    return Visit(request, caller, person, token, services, waiting=waiting)


async def _with_form(visit: Visit, most: int) -> Visit:
    """The visit with its form's fields.

    Raises:
        Forged: it is not from a page of this session's.
    """
    access: Access = visit.request.state.access
    access.require_own_origin(visit.request)
    raw = await read_body(visit.request, min(most, access.max_body))
    if raw is None:
        raise TooLarge(most)
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Forged from error
    access.require_own_page(visit.request, visit.session, dict(fields).get("token"))
    return replace(visit, fields=[(name, _text(value)) for name, value in fields if name != "token"])


class TooLarge(Exception):
    """Raised for a form that is larger than any that is filled in by hand."""

    def __init__(self, most: int) -> None:
        super().__init__(f"what was sent is larger than {most} bytes")


def _signed_out(request: Request, *, changes: bool) -> Response:
    """Nobody is signed in, or no longer; what was to be done is not."""
    if "hx-request" in request.headers:
        return rendering.page("signed_out.html", status=401, over=True, next=None)
    if changes:
        return rendering.page("signed_out.html", status=401, over=True, next=_back(request))
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(target)}", 303, rendering.HEADERS)


def _back(request: Request) -> str | None:
    """The page that a form was sent from, as far as can be told: browsers send no more than its origin."""
    return request.url.path.rpartition("/")[0] or None


def trouble(visit: Visit, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page that says what went wrong."""
    response = visit.page("trouble.html", section="", status=status, title=_title(status), detail=detail)
    response.headers.update(headers or {})
    return response


def alone(status: int, detail: str, headers: Mapping[str, str]) -> Response:
    """The same without the frame, for whom nobody is known to be signed in, or to read the database."""
    return rendering.page(
        "message.html", status=status, headers=headers, title=_title(status), detail=detail, back=None
    )


def _title(status: int) -> str:
    return _TITLES.get(status, "That did not work")


_TITLES = {
    403: "You may not do this",
    404: "There is no such page",
    409: "Something has changed meanwhile",
    410: "This is gone",
    413: "That is too large",
    422: "Something does not fit",
    429: "Too many attempts",
    503: "Placet cannot answer right now",
}


def _roles(action: Action) -> str:
    roles = sorted(MAY.get(action, ()))
    return f"the role {' or '.join(roles)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if not text.endswith(".") else f"{text[:1].upper()}{text[1:]}"


def _text(value: str) -> str:
    """As it was typed, with the line ends that everybody else uses, and without the NUL that Postgres does not take."""
    return value.replace("\r\n", "\n").replace("\0", "")


def _told(kept: str | None) -> tuple[str, str] | None:
    """Tone and text of what the page before has to say."""
    try:
        tone, text = json.loads(unquote(kept or ""))
    except (ValueError, TypeError):
        return None
    fits = tone in ("good", "bad", "warn", "info") and isinstance(text, str)
    return (tone, text[:_LONGEST_TOLD]) if fits else None
