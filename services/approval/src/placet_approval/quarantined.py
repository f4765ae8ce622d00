"""Messages that services could not take in, and what becomes of them. No I/O.

::

    kept -> asked for -> released      replayed or discarded, as somebody has asked
                      -> kept          taken in again, and refused once more
    kept -> released                   by a command, or after its time
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from placet_approval.domain import ApprovalError
from placet_contracts.events import Handling

Left = Literal["replayed", "discarded"]

_COMES_TO: Mapping[Handling, Left] = {"replay": "replayed", "discard": "discarded"}


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A message: ids are of the service that keeps it."""

    service: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message, as its service has told of it.

    ``asked`` is what somebody wants done and the service has not told of yet; the last who asked for anything stays in
    ``asked_by``. ``refused_at``: it was taken in again then, and refused once more.
    """

    service: str
    id: UUID
    event_type: str
    source: str | None
    event_id: str | None
    reason: str
    at: datetime
    size: int  # bytes
    truncated: bool
    asked: Handling | None
    asked_by: str | None
    asked_at: datetime | None
    refused_at: datetime | None
    outcome: Left | None
    released_by: str | None  # None: nobody knows, or it is there
    released_at: datetime | None
    body: str | None = None  # its beginning; None in lists

    @property
    def name(self) -> Name:
        return Name(self.service, self.id)

    @property
    def waits(self) -> bool:
        """Whether something is asked for that its service has not done yet."""
        return self.asked is not None and self.outcome is None


class AlreadyAsked(ApprovalError):
    """Raised when something else is asked for about a message."""

    def __init__(self, message: Quarantined) -> None:
        super().__init__(
            f"{message.asked_by} has asked to {message.asked} message {message.id}: wait until the service has done it"
        )


class AlreadyReleased(ApprovalError):
    """Raised when a message has left quarantine."""

    def __init__(self, message: Quarantined) -> None:
        by = f" by {message.released_by}" if message.released_by else ""
        super().__init__(f"message {message.id} is in quarantine no more: it was {message.outcome}{by}")


def judge(message: Quarantined, action: Handling) -> Quarantined | ApprovalError:
    """What asking comes to on a message that nothing was to be asked for any more: a repeat is no error."""
    if message.outcome is not None:
        return message if message.outcome == _COMES_TO[action] else AlreadyReleased(message)
    return message if message.asked == action else AlreadyAsked(message)
