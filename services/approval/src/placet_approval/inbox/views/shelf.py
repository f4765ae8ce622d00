"""Which list of requests a page shows, as its URL says: shelf, search, order, place."""

from dataclasses import dataclass, replace
from typing import get_args
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from starlette.datastructures import QueryParams

from placet_approval.shelf import ORDERS, SHELVES, Order, Place, Query, Shelf
from placet_contracts.events import Outcome

_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_LONGEST = 200  # characters of what is searched for


@dataclass(frozen=True, slots=True)
class Asked:
    """A list, as it is asked for. Whatever a URL says that there is not is left out."""

    query: Query
    after: Place | None = None

    @property
    def shelf(self) -> Shelf:
        return self.query.shelf

    @property
    def parameters(self) -> str:
        """As a URL has it, without the place; nothing for what goes without saying."""
        query = self.query
        said = {
            "shelf": "" if query.shelf == "mine" else query.shelf,
            "q": query.text,
            "workflow": query.workflow,
            "outcome": query.outcome,
            "order": "" if query.order == "newest" else query.order,
        }
        return urlencode({name: value for name, value in said.items() if value})

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The same, for the hidden fields of a form."""
        return parse_qsl(self.parameters)

    @property
    def narrowed(self) -> bool:
        """Whether some of the shelf is left out."""
        return bool(self.query.text or self.query.workflow or self.query.outcome)

    @property
    def url(self) -> str:
        return self._with("/inbox")

    def request_url(self, id: UUID) -> str:
        """The page of a request, beside this list."""
        return self._with(f"/approvals/{id}")

    def page_url(self, place: Place | None) -> str | None:
        """The page of this list that begins behind a place."""
        if place is None:
            return None
        joint = "&" if self.parameters else "?"
        return f"{self.url}{joint}{urlencode({'after': place.text})}"

    def on(self, shelf: Shelf) -> str:
        """Another shelf, searched for the same."""
        outcome = self.query.outcome if shelf == "history" else None
        return replace(self, query=replace(self.query, shelf=shelf, outcome=outcome)).url

    def _with(self, path: str) -> str:
        return f"{path}?{self.parameters}" if self.parameters else path


def asked(parameters: QueryParams | dict[str, str]) -> Asked:
    """The list that a URL asks for."""

    def text(name: str) -> str:
        return str(parameters.get(name, "")).replace("\0", "").strip()[:_LONGEST]

    shelf: Shelf = next((each for each in SHELVES if each == text("shelf")), "mine")
    order: Order = next((each for each in ORDERS if each == text("order")), "newest")
    outcome = next((each for each in _OUTCOMES if each == text("outcome")), None) if shelf == "history" else None
    query = Query(shelf, order=order, text=text("q") or None, workflow=text("workflow") or None, outcome=outcome)
    try:
        return Asked(query, Place.of(text("after"), query) if text("after") else None)
    except ValueError:
        return Asked(query)
