"""Errors as RFC 9457 problems, in one place."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from placet_approval.api.schemas import FieldError, Problem
from placet_approval.domain import (
    Action,
    AlreadyEnded,
    AlreadyResolved,
    AlreadyVoted,
    ApprovalError,
    Caller,
    ContentChanged,
    KeyNameTaken,
    KeyReused,
    NotAllowed,
    NotFound,
    Overloaded,
    PolicyChanged,
    RunContradicted,
    RunDeleted,
    TermsChanged,
    TooMuchToRead,
)
from placet_approval.identity import Forged, IdentityTaken, LastAdmin, NameTaken, Refused, TooManyFailures, Unfit
from placet_approval.quarantined import AlreadyAsked, AlreadyReleased
from placet_runtime.postgres import UNAVAILABLE

log = structlog.get_logger()

_TYPES: dict[type[ApprovalError], tuple[str, int]] = {
    NotFound: ("not-found", 404),
    NameTaken: ("name-taken", 409),
    KeyNameTaken: ("name-taken", 409),
    IdentityTaken: ("identity-taken", 409),
    LastAdmin: ("last-admin", 409),
    Unfit: ("invalid-request", 422),
    Forged: ("forged", 403),
    Refused: ("refused", 403),
    TooManyFailures: ("too-many-failures", 429),
    AlreadyResolved: ("already-resolved", 409),
    ContentChanged: ("content-changed", 409),
    TermsChanged: ("terms-changed", 409),
    AlreadyVoted: ("already-voted", 409),
    NotAllowed: ("not-allowed", 403),
    PolicyChanged: ("policy-changed", 409),
    RunContradicted: ("run-contradicted", 409),
    RunDeleted: ("run-deleted", 410),
    AlreadyEnded: ("already-ended", 409),
    KeyReused: ("idempotency-key-reused", 422),
    AlreadyAsked: ("already-asked", 409),
    AlreadyReleased: ("already-released", 409),
    Overloaded: ("overloaded", 503),
    TooMuchToRead: ("too-much-to-read", 503),
}


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """A problem as a response."""
    return Response(
        problem.model_dump_json(by_alias=True, exclude_none=True),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )


def of(error: ApprovalError) -> Problem:
    """The problem that tells a caller of an error which he can expect."""
    type, status = _TYPES[error.__class__]
    if isinstance(error, AlreadyResolved):
        return _problem(type, status, str(error), outcome=error.status, resolved_by=error.resolved_by)
    if isinstance(error, NotAllowed):
        return _problem(type, status, str(error), reason=error.reason)
    return _problem(type, status, str(error))


def headers(error: ApprovalError) -> dict[str, str]:
    """What goes with the problem of such an error."""
    if isinstance(error, TooManyFailures):
        return {"Retry-After": str(error.seconds)}
    return {"Retry-After": str(error.retry_after)} if isinstance(error, Overloaded) else {}


def invalid(error: ValueError) -> Problem:
    """What does not fit in a request; field by field, where it is about fields."""
    if not isinstance(error, ValidationError):
        return _problem("invalid-request", 422, str(error))
    errors = [
        FieldError(field=".".join(map(str, item["loc"])), message=item["msg"])
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    detail = "; ".join(f"{item.field}: {item.message}" if item.field else item.message for item in errors)
    return _problem("invalid-request", 422, detail, errors=errors)


def unauthorized() -> Response:
    """No key, or none that is valid."""
    problem = _problem("unauthorized", 401, "send a valid API key: Authorization: Bearer <key>")
    return respond(problem, {"WWW-Authenticate": "Bearer"})


def forbidden(caller: Caller, action: Action) -> Response:
    """Somebody who may not do this."""
    roles = f"the role {', '.join(map(repr, sorted(caller.roles)))}" if caller.roles else "no role that counts"
    return respond(_problem("forbidden", 403, f"{caller.actor} has {roles}, and may not {action}"))


def too_large(limit: int) -> Response:
    """A request with more than is taken."""
    return respond(_problem("too-large", 413, f"a request has at most {limit} bytes"))


def bad_header(name: str, wanted: str) -> Problem:
    """A header that does not fit."""
    return _problem("invalid-request", 422, f"{name}: {wanted}")


def bad_cursor() -> Response:
    """A cursor that no page has given."""
    return respond(_problem("invalid-request", 422, "cursor: not one that a page has given"))


def on_approval_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApprovalError)
    return respond(of(error), headers(error))


def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    problem = _problem(phrase.lower().replace(" ", "-"), error.status_code, error.detail)
    return respond(problem, dict(error.headers or {}))


def on_unavailable(request: Request, error: Exception) -> Response:
    problem = _problem("unavailable", 503, "the database does not answer; nothing is known to have happened: try again")
    return respond(problem, {"Retry-After": "1"})


def on_unexpected(request: Request, error: Exception) -> Response:
    return respond(_problem("internal-error", 500, "something is broken here; the log says what"))


def wrong_method(allowed: Sequence[str]) -> Response:
    """A path that is there, and a method that is not."""
    problem = _problem("method-not-allowed", 405, "Method Not Allowed")
    return respond(problem, {"Allow": ", ".join(allowed)})


def answer(request: Request, error: Exception) -> Response:
    """What a caller is told of an error; one that nobody expects is logged."""
    handler = next(EXCEPTION_HANDLERS[kind] for kind in type(error).__mro__ if kind in EXCEPTION_HANDLERS)
    if handler is on_unexpected:
        log.error("api.failed", method=request.method, path=request.url.path, exc_info=error)
    return handler(request, error)


EXCEPTION_HANDLERS: dict[type[Exception] | int, Callable[[Request, Exception], Response]] = {
    ApprovalError: on_approval_error,
    HTTPException: on_http_exception,
    Exception: on_unexpected,
    **dict.fromkeys(UNAVAILABLE, on_unavailable),
}


def _problem(
    type: str,
    status: int,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    outcome: str | None = None,
    resolved_by: str | None = None,
    reason: str | None = None,
) -> Problem:
    return Problem.model_validate(
        {
            "type": f"urn:placet:problem:{type}",
            "title": type.replace("-", " ").capitalize(),
            "status": status,
            "detail": detail,
            "errors": errors,
            "outcome": outcome,
            "resolved_by": resolved_by,
            "reason": reason,
        }
    )
