"""The stream that tells an open page that something has moved."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from placet_approval.api.services import Services
from placet_approval.inbox.rendering import HEADERS
from placet_approval.inbox.visits import signed_in


async def stream(request: Request) -> Response:
    """Server-sent events, see `placet_approval.live`; for those who are signed in."""
    if await signed_in(request) is None:
        return Response(status_code=401, headers=HEADERS)
    services: Services = request.state.services
    if services.live.full:
        return Response(status_code=503, headers={**HEADERS, "Retry-After": "30"})
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(services.live.messages(), media_type="text/event-stream", headers=headers)


ROUTES = [Route("/live", stream, methods=["GET"])]
