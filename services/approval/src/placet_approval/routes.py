"""All that the approval service answers: the operations of the API, and what is around them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from placet_approval.api import openapi
from placet_approval.api.dispatch import Api
from placet_approval.api.operations import ENDPOINTS
from placet_approval.api.problems import EXCEPTION_HANDLERS
from placet_approval.inbox.guarding import guarded
from placet_approval.inbox.routes import ROUTES as INBOX
from placet_runtime.operations import ROUTES as OPERATIONS

_DOCUMENT = to_json(openapi.document(ENDPOINTS))


async def openapi_document(request: Request) -> Response:
    """The OpenAPI document of this service."""
    return Response(_DOCUMENT, media_type="application/json")


ROUTES: list[BaseRoute] = [
    Route("/openapi.json", openapi_document),
    *INBOX,
    *OPERATIONS,
]


def application(lifespan: Callable[[Starlette], AbstractAsyncContextManager[dict[str, Any]]] | None = None) -> Api:
    """As ASGI; the lifespan gives the state that requests need."""
    return Api(ENDPOINTS, guarded(Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=EXCEPTION_HANDLERS)))
