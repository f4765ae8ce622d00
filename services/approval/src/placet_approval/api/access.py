"""Who calls: API keys and sessions from the store, and the bootstrap key from the environment."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from placet_approval.api.throttle import Throttle
from placet_approval.domain import Caller
from placet_approval.handlers.sessions import Lifetime, anti_forgery
from placet_approval.identity import BOOTSTRAP, Forged
from placet_runtime.batching import Batcher

TOKEN_HEADER = "x-placet-token"  # noqa: S105 -- a header's name

_BOOTSTRAP = Caller(f"key:{BOOTSTRAP}", frozenset({"admin"}), bootstrap=True)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie of sessions. On loopback addresses without TLS it has another name, as ports share cookies there."""

    origin: str  # scheme and host, as browsers write it
    name: str = field(init=False)
    secure: bool = field(init=False)
    works: bool = field(init=False)  # elsewhere without TLS, it would go over the network for all to read

    def __post_init__(self) -> None:
        parts = urlsplit(self.origin)
        object.__setattr__(self, "secure", parts.scheme == "https")
        object.__setattr__(self, "name", "__Host-placet" if self.secure else f"placet-{parts.port or 80}")
        object.__setattr__(self, "works", self.secure or parts.hostname in _LOOPBACK)

    def read(self, request: Request, suffix: str = "") -> str | None:
        return request.cookies.get(self.name + suffix) if self.works and "cookie" in request.headers else None

    def write(self, response: Response, value: str, *, seconds: int | None = None, suffix: str = "") -> None:
        """Set it; without ``seconds``, for as long as the browser is open."""
        response.set_cookie(
            self.name + suffix, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def remove(self, response: Response, suffix: str = "") -> None:
        response.delete_cookie(self.name + suffix, path="/", secure=self.secure, httponly=True, samesite="lax")


@dataclass(frozen=True, slots=True)
class Access:
    """Identifies callers; ``keys`` and ``sessions`` look stored ones up, many at a time, anew for each request."""

    keys: Batcher[str, Caller | None]
    sessions: Batcher[str, Caller | None]
    used: Callable[[UUID], None]  # that a session was
    cookie: Cookie
    lifetime: Lifetime
    throttle: Throttle
    admin_key: str | None
    max_body: int

    async def identify(self, request: Request) -> Caller | None:
        """Whose request this is, by its key or, if it has none, by its session; ``None`` if nobody's.

        Raises:
            Forged: it changes something by a session's cookie, and is not from a page of that session's.
            TooManyFailures: too many were nobody's.
        """
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return await self._by_key(request, authorization)
        token = self.cookie.read(request)
        if token is None:
            return None
        caller = await self.by_session(token)
        if caller is not None and request.method not in _SAFE:
            self.require_own_page(request, token, request.headers.get(TOKEN_HEADER))
        return caller

    async def by_session(self, token: str, *, by_itself: bool = False) -> Caller | None:
        """Whose session this is. An address may have many that have ended: pages that were left open.

        ``by_itself``: a page asks that nobody may be looking at, so it does not count as a use of the session.
        """
        caller = await self._attempt(token, None, self.sessions)
        if caller is not None and caller.session is not None and not by_itself:
            self.used(caller.session)
        return caller

    def require_own_page(self, request: Request, session: str, shown: str | None) -> None:
        """Refuse what does not come from a page of this session's; ``shown`` is the token that it sent.

        Raises:
            Forged: it does not.
        """
        self.require_own_origin(request)
        if not secrets.compare_digest((shown or "").encode(), anti_forgery(session).encode()):
            raise Forged

    def require_own_origin(self, request: Request) -> None:
        """Refuse what another site's page sends, or no page.

        Raises:
            Forged: the request says no origin, or another one.
        """
        origin = request.headers.get("origin", "")
        local = not self.cookie.secure and origin == f"http://{request.headers.get('host', '')}"
        if origin != self.cookie.origin and not local:
            raise Forged

    async def _by_key(self, request: Request, authorization: str) -> Caller | None:
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            return None
        if self.admin_key is not None and secrets.compare_digest(key.encode(), self.admin_key.encode()):
            return _BOOTSTRAP
        return await self._attempt(key, address_of(request), self.keys)

    async def _attempt(
        self, credential: str, address: str | None, look_up: Batcher[str, Caller | None]
    ) -> Caller | None:
        self.throttle.check(credential, address)
        caller = await look_up.submit(credential)
        if caller is None:
            self.throttle.failed(credential, address)
        else:
            self.throttle.succeeded(credential)
        return caller


def address_of(request: Request) -> str:
    """Who is at the other end, as far as is known."""
    return request.client.host if request.client is not None else ""


def origin_of(url: str) -> str:
    """What browsers call the origin of a page at this URL."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")
