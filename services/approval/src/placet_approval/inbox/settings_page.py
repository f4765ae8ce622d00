"""What the pages of settings share: their tabs, and what their addresses name."""

from collections.abc import Sequence
from uuid import UUID

from starlette.responses import Response

from placet_approval.domain import Action, NotFound
from placet_approval.inbox.visits import Visit

_TABS: Sequence[tuple[str, str, str, str, Action]] = (
    ("account", "/settings", "Account", "user", "self"),
    ("away", "/settings/away", "Absences", "calendar-clock", "read"),
    ("users", "/settings/users", "Users", "users", "manage"),
    ("groups", "/settings/groups", "Groups", "layers", "manage"),
    ("keys", "/settings/keys", "API keys", "key-round", "manage"),
    ("policies", "/settings/policies", "Policies", "scale", "manage"),
)


def page(visit: Visit, template: str, *, tab: str, status: int = 200, **facts: object) -> Response:
    """A page of settings, under its tab; with those tabs that this person may see."""
    tabs = [(name, url, title, sign) for name, url, title, sign, action in _TABS if visit.caller.may(action)]
    return visit.page(f"settings/{template}", section="settings", status=status, tab=tab, tabs=tabs, **facts)


def confirm(visit: Visit, *, tab: str, status: int = 200, error: str | None = None, **facts: object) -> Response:
    """A page that says what will happen, with the button that has it happen."""
    facts = {"aware": None, "points": (), **facts}
    return page(visit, "confirm.html", tab=tab, status=status, error=error, **facts)


def named(visit: Visit, parameter: str, what: str) -> str:
    """The name in the address.

    Raises:
        NotFound: none that Postgres takes.
    """
    text = str(visit.request.path_params[parameter])
    if "\0" in text:
        raise NotFound(what, repr(text))
    return text


def uuid_of(text: str, what: str) -> UUID:
    """An id that was sent.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(what, text) from None
