"""One table row an operation: routes, authorisation, parsing and the OpenAPI document all come from it."""

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.api import problems
from placet_approval.api.access import Access
from placet_approval.domain import Action, Caller
from placet_contracts.base import Model


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been authorised and read."""

    request: Request
    caller: Caller
    body: Any  # an instance of the endpoint's ``body`` model
    query: Any  # an instance of the endpoint's ``query`` model


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation of the API."""

    method: str
    path: str
    action: Action
    handle: Callable[[Call], Awaitable[Model | Response]]
    response: type[Model]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    problems: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()

    async def serve(self, request: Request) -> Response:
        access: Access = request.state.access
        caller = await access.identify(request.headers.get("authorization"))
        if caller is None:
            return problems.unauthorized()
        if not caller.may(self.action):
            return problems.forbidden(caller.role, self.action)
        body: BaseModel | None = None
        query: BaseModel | None = None
        try:
            if self.query is not None:
                query = self.query.model_validate(dict(request.query_params))
            if self.body is not None:
                raw = await _read(request, access.max_body)
                if raw is None:
                    return problems.too_large(access.max_body)
                body = self.body.model_validate_json(raw)
                _require_one_meaning(raw)
        except ValueError as error:
            return problems.respond(problems.invalid(error))
        answer = await self.handle(Call(request, caller, body, query))
        if isinstance(answer, Response):
            return answer
        return respond(answer, self.status)


def route(path: str, endpoints: Sequence[Endpoint]) -> Route:
    """One route for all operations on a path, so that a wrong method is told all that are right."""
    by_method = {endpoint.method: endpoint for endpoint in endpoints}
    by_method |= {"HEAD": by_method["GET"]} if "GET" in by_method else {}

    async def serve(request: Request) -> Response:
        return await by_method[request.method].serve(request)

    return Route(path, serve, methods=list(by_method))


def respond(answer: Model, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as a JSON response."""
    return Response(
        answer.model_dump_json(by_alias=True), status_code=status, media_type="application/json", headers=headers
    )


def _require_one_meaning(raw: bytes) -> None:
    """Refuse JSON that readers take differently: a name twice in one object, a number without a value.

    Raises:
        ValueError: it is ambiguous.
    """
    json.loads(raw, object_pairs_hook=_once_each, parse_float=_finite, parse_constant=_finite)


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        raise ValueError("a name is there twice in one object")


def _finite(number: str) -> None:
    if not math.isfinite(float(number)):
        raise ValueError(f"{number[:20]} is no number that JSON can hold")


async def _read(request: Request, limit: int) -> bytes | None:
    """The body; ``None`` if it is larger than the limit, of which no more than that is read."""
    gathered = bytearray()
    async for chunk in request.stream():
        gathered += chunk
        if len(gathered) > limit:
            return None
    return bytes(gathered)
