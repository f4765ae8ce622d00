"""What is gathered to show a request, the list beside it, and what whoever looks has just decided."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.responses import Response

from placet_approval.domain import Approval, Held, NotFound, Run
from placet_approval.handlers import holding, shelves
from placet_approval.handlers.explaining import Explanation, explain
from placet_approval.inbox.views.shelf import Asked
from placet_approval.inbox.visits import Visit
from placet_approval.live import topic
from placet_approval.shelf import SHELVES

_TITLES = {"mine": "For me", "groups": "My groups", "all": "All", "history": "History"}


@dataclass(frozen=True, slots=True)
class Card:
    """All that is shown of one request; ``run`` is ``None`` where it is not known here."""

    approval: Approval
    explanation: Explanation
    run: Run | None
    held: Sequence[Held]
    topic: str

    @property
    def own(self) -> Held | None:
        """What whoever looks has decided, and can undo still."""
        return next((held for held in self.held if held.actor == self.explanation.actor), None)

    @property
    def others(self) -> list[Held]:
        """What others are deciding just now."""
        return [held for held in self.held if held.actor != self.explanation.actor]


@dataclass(frozen=True, slots=True)
class Own:
    """A decision of whoever looks, and the title of what it is on."""

    held: Held
    title: str


async def card(visit: Visit, id: UUID) -> Card:
    """A request, as whoever looks sees it.

    Raises:
        NotFound: there is none of this id.
    """
    caller = visit.caller
    explanation, deciding = await asyncio.gather(
        explain(visit.deps, id, caller.actor, caller.roles), holding.of(visit.deps, [id])
    )
    try:
        run = await visit.services.run.submit(explanation.approval.run_id)
    except NotFound:
        run = None
    return Card(explanation.approval, explanation, run, deciding.get(id, []), topic(id))


async def own(visit: Visit) -> dict[str, Any]:
    """What whoever looks has decided: what can be undone still, and what was too late."""
    held = await holding.mine(visit.deps, subject(visit))
    about = await asyncio.gather(*(visit.services.approval.submit(each.approval_id) for each in held))
    decided = [
        Own(each, approval.title or f"Approval of {approval.workflow}")
        for each, approval in zip(held, about, strict=True)
    ]
    return {
        "own": [each for each in decided if each.held.state == "held"],
        "too_late": [each for each in decided if each.held.state == "refused"],
    }


async def page(visit: Visit, where: Asked, shown: Card | None, *, status: int = 200, error: str = "") -> Response:
    """The list and a request beside it, or one of them, as is wanted."""
    listed: shelves.Page | None = None
    if visit.part != "detail":
        listed = await shelves.page(visit.deps, visit.person, where.query, after=where.after)
    return visit.page(
        "inbox.html",
        section="inbox",
        status=status,
        where=where,
        page=listed,
        card=shown,
        error=error,
        shelves=[(shelf, _TITLES[shelf]) for shelf in SHELVES],
        **await own(visit),
    )


def request_id(text: str) -> UUID:
    """The id of a request.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("request", text[:40]) from None


def subject(visit: Visit) -> str:
    """Whoever looks, as the authoriser counts them."""
    assert visit.caller.subject is not None
    return visit.caller.subject
