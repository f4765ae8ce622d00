"""One table row an operation: dispatch, authorisation, parsing and the OpenAPI document all come from it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from placet_approval import strict_json
from placet_approval.admission import Admission
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
    sheds: bool = False  # refused under overload

    async def serve(self, request: Request) -> Response:
        """The answer, problems included.

        Raises:
            ApprovalError: something that a caller can expect to be told.
        """
        access: Access = request.state.access
        size = _announced(request, access.max_body)
        if size > access.max_body:
            return problems.too_large(access.max_body)
        if not self.sheds:
            call = await self._read(request, access)
        else:
            admission: Admission = request.state.admission
            admission.check(size)
            with admission.reading(size):
                call = await self._read(request, access)
        if isinstance(call, Response):
            return call
        answer = await self.handle(call)
        if isinstance(answer, Response):
            return answer
        return respond(answer, self.status)

    async def _read(self, request: Request, access: Access) -> Call | Response:
        """A request that may be made and fits; or why not."""
        caller = await access.identify(request)
        if caller is None:
            return problems.unauthorized()
        if not caller.may(self.action):
            return problems.forbidden(caller, self.action)
        body: BaseModel | None = None
        query: BaseModel | None = None
        try:
            if self.query is not None:
                query = self.query.model_validate(_query(request))
            if self.body is not None:
                raw = await read_body(request, access.max_body)
                if raw is None:
                    return problems.too_large(access.max_body)
                body = self.body.model_validate_json(raw)
                strict_json.loads(raw.decode())
        except ValueError as error:
            return problems.respond(problems.invalid(error))
        return Call(request, caller, body, query)


def respond(answer: Model, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as a JSON response."""
    return Response(
        answer.model_dump_json(by_alias=True), status_code=status, media_type="application/json", headers=headers
    )


def _query(request: Request) -> dict[str, str]:
    raw: bytes = request.scope["query_string"]
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}


def _announced(request: Request, most: int) -> int:
    """Bytes of the body: as the client says, or as many as are taken where it does not say."""
    length = request.headers.get("content-length")
    if length is not None and length.isdecimal():
        return int(length)
    return most if "transfer-encoding" in request.headers else 0


async def read_body(request: Request, limit: int) -> bytes | None:
    """The body; ``None`` if it is larger than the limit, of which no more than that is read."""
    gathered: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        gathered.append(message.get("body", b""))
        size += len(gathered[-1])
        if size > limit:
            return None
        if not message.get("more_body", False):
            return b"".join(gathered)
