"""The inbox, and one request of it."""

from starlette.responses import Response
from starlette.routing import Route

from placet_approval.inbox.visits import Visit, shows


async def inbox(visit: Visit) -> Response:
    """What waits."""
    return visit.page("inbox.html", section="inbox")


ROUTES = [
    Route("/inbox", shows(inbox), methods=["GET"]),
]
