"""The inbox, and one request of it."""

from dataclasses import replace

from starlette.responses import Response
from starlette.routing import Route

from placet_approval.handlers import shelves, views
from placet_approval.inbox import rendering
from placet_approval.inbox.views import cards
from placet_approval.inbox.views.shelf import asked
from placet_approval.inbox.visits import Visit, shows


async def inbox(visit: Visit) -> Response:
    """What waits."""
    return await cards.page(visit, asked(visit.request.query_params), None)


async def waiting(visit: Visit) -> Response:
    """How many wait for whoever asks; a part of every page."""
    counts = await shelves.counts(visit.deps, visit.person)
    return rendering.page("waiting.html", visit=replace(visit, waiting=counts.mine))


async def toasts(visit: Visit) -> Response:
    """What whoever looks has just decided; a part of the pages of the inbox."""
    own = await cards.own(visit)
    return rendering.page("own.html", visit=visit, where=asked(visit.request.query_params), **own)


async def approval(visit: Visit) -> Response:
    """One request, beside the list that it was chosen from."""
    id = cards.request_id(visit.request.path_params["id"])
    card = await cards.card(visit, id)
    await views.note(visit.deps, id, visit.caller)
    return await cards.page(visit, asked(visit.request.query_params), card)


ROUTES = [
    Route("/inbox", shows(inbox), methods=["GET"]),
    Route("/inbox/waiting", shows(waiting, by_itself=True), methods=["GET"]),
    Route("/inbox/toasts", shows(toasts), methods=["GET"]),
    Route("/approvals/{id}", shows(approval), methods=["GET"]),
]
