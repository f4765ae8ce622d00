"""What operations call, and what they read from a request's path."""

from dataclasses import dataclass
from uuid import UUID

from placet_approval.api.endpoints import Call
from placet_approval.deps import Deps
from placet_approval.domain import Approval, Decision, NotFound, Run, Start
from placet_approval.handlers.insights import Surveys
from placet_approval.live import Live
from placet_approval.waits import Waits
from placet_runtime.batching import Batcher


@dataclass(frozen=True, slots=True)
class Services:
    """What the operations call; the lifespan puts it into the state as ``services``."""

    deps: Deps
    waits: Waits
    live: Live
    surveys: Surveys
    run: Batcher[str, Run]  # by id
    approval: Batcher[UUID, Approval]  # by id
    start: Batcher[Start, Run]
    decide: Batcher[Decision, Approval]


def of(call: Call) -> Services:
    """The services behind a request."""
    services: Services = call.request.state.services
    return services


def approval_id(call: Call) -> UUID:
    """The approval that a request's path names.

    Raises:
        NotFound: it names none.
    """
    return uuid_of(call, "approval")


def uuid_of(call: Call, what: str) -> UUID:
    """The id in a request's path, of something that has a UUID.

    Raises:
        NotFound: it is none.
    """
    text = call.request.path_params["id"]
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(what, text) from None
