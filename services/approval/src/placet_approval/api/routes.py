"""All routes of the approval service."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from placet_approval.api import openapi, pages
from placet_approval.api.endpoints import route
from placet_approval.api.operations import ENDPOINTS
from placet_runtime.operations import ROUTES as OPERATIONS

_DOCUMENT = to_json(openapi.document(ENDPOINTS))


async def openapi_document(request: Request) -> Response:
    """The OpenAPI document of this service."""
    return Response(_DOCUMENT, media_type="application/json")


_PATHS = sorted({endpoint.path for endpoint in ENDPOINTS}, key=len, reverse=True)

# The longer paths come first: a run's id may contain slashes.
ROUTES: list[BaseRoute] = [
    *(route(path, [endpoint for endpoint in ENDPOINTS if endpoint.path == path]) for path in _PATHS),
    Route("/openapi.json", openapi_document),
    *pages.ROUTES,
    *OPERATIONS,
]
