"""What a delivery is, how it moves on, and when it is tried again.

    pending ──► sent
       │  └───► failed        for good: refused, not configured, or out of tries
       ▼
    retrying ──► retrying | sent | failed

A delivery is sent under a lease. Its token is the fence: whoever does not hold the present one changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from pydantic import TypeAdapter, ValidationError

from placet_contracts.base import Model
from placet_contracts.cloudevents import explain
from placet_contracts.destinations import Destination, Webhook
from placet_contracts.digest import canonical
from placet_contracts.events import ApprovalOpened, ApprovalReminded, DeliveryStatus, NotificationRequested

_DESTINATION: TypeAdapter[Destination] = TypeAdapter(Destination)
_LONGEST_BACKOFF = timedelta(minutes=15)
_LONGEST_RETRY_AFTER = timedelta(hours=1)
_ERROR_LENGTH = 500

Again = Literal["reminder", "escalation"]


class Notice(Model):
    """What is told: that an approval waits for a decision or, without an approval, a message."""

    approval_id: UUID | None = None
    run_id: str
    workflow: str
    version: int | None = None
    gate: str | None = None
    title: str | None = None
    message: str | None = None
    context: Any = None
    requested_by: str | None = None
    expires_at: datetime | None = None
    again: Again | None = None  # why it is told another time


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery that is to be recorded."""

    id: UUID
    destination: Destination
    notice: Notice


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a channel is to send."""

    id: UUID
    destination: Destination
    notice: Notice
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery as it stands in the database, leased: one that cannot be read is to fail alone."""

    id: UUID
    channel: str
    destination: str
    payload: str
    attempt: int  # counted from 1
    lease: UUID
    created_at: datetime

    def read(self) -> Delivery:
        """What is to be sent.

        Raises:
            TryLater: it was written by a version that this one does not understand.
        """
        try:
            notice = Notice.model_validate_json(self.payload)
            return Delivery(self.id, load_destination(self.destination), notice, self.created_at)
        except ValidationError as error:
            raise TryLater("the delivery cannot be read", explain(error)) from None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended. ``retry_in`` is ``None`` where the delivery has ended."""

    delivery_id: UUID
    lease: UUID
    status: Literal["retrying", "sent", "failed"]
    error: str | None = None
    retry_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A delivery's transition, as it was committed."""

    id: UUID
    seq: int
    run_id: str
    approval_id: UUID | None
    destination: Destination
    status: DeliveryStatus
    attempts: int
    error: str | None
    at: datetime


class SendFailed(Exception):
    """Raised by a channel that could not send.

    ``reason`` is in our own words and may be logged; ``detail`` is the other side's, and may name people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(_one_line(f"{reason}: {detail}" if detail else reason)[:_ERROR_LENGTH])
        self.reason = reason


class Undeliverable(SendFailed):
    """Raised when no repetition helps."""


class TryLater(SendFailed):
    """Raised when a repetition may help, not before ``after`` has passed if the other side said so."""

    def __init__(self, reason: str, detail: str = "", *, after: timedelta | None = None) -> None:
        super().__init__(reason, detail)
        self.after = after


def drafts_of_approval(event: ApprovalOpened) -> list[Draft]:
    """One for each destination of an approval."""
    return [Draft(_id(event.approval_id, to), to, _notice(event)) for to in event.destinations]


def drafts_of_reminder(event: ApprovalReminded) -> list[Draft]:
    """One for each destination of a reminder, beside those of other reminders of the approval."""
    cause = uuid5(event.approval_id, str(event.number))
    return [Draft(_id(cause, to), to, _notice(event, event.kind)) for to in event.destinations]


def _notice(event: ApprovalOpened, again: Again | None = None) -> Notice:
    return Notice(
        approval_id=event.approval_id,
        run_id=event.run_id,
        workflow=event.workflow,
        version=event.version,
        gate=event.gate,
        title=event.title,
        message=event.message,
        context=event.context,
        requested_by=event.requested_by,
        expires_at=event.expires_at,
        again=again,
    )


def draft_of_notification(event: NotificationRequested) -> Draft:
    notice = Notice(run_id=event.run_id, workflow=event.workflow, message=event.message)
    return Draft(_id(event.notification_id, event.destination), event.destination, notice)


def _id(cause: UUID, destination: Destination) -> UUID:
    """The same for each repeat of an event, so that a repeat records nothing."""
    return uuid5(cause, dump_destination(destination))


def dump_destination(destination: Destination) -> str:
    """As JSON, the same for equal ones."""
    return canonical(_DESTINATION.dump_python(destination, mode="json", by_alias=True, exclude_none=True)).decode()


def load_destination(text: str) -> Destination:
    return _DESTINATION.validate_json(text)


def recipient(destination: Destination) -> str:
    """Who is told, as others may read it: of a webhook the origin only, as its path or query may be a secret."""
    if isinstance(destination, Webhook):
        parts = urlsplit(destination.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return str(destination)


def failed(claimed: Claimed, error: SendFailed, *, tries: int, first: timedelta, spread: float) -> Settlement:
    """How an attempt ends that raised; ``spread`` (0 to 1) keeps deliveries that failed together apart."""
    if isinstance(error, TryLater) and claimed.attempt < tries:
        delay = backoff(claimed.attempt, first=first, at_least=error.after, spread=spread)
        return Settlement(claimed.id, claimed.lease, "retrying", str(error), delay)
    gave_up = f" (gave up after {claimed.attempt} tries)" if isinstance(error, TryLater) else ""
    return Settlement(claimed.id, claimed.lease, "failed", f"{error}{gave_up}")


def backoff(attempt: int, *, first: timedelta, at_least: timedelta | None, spread: float) -> timedelta:
    """Doubles with each attempt up to 15 minutes, and never comes before what the other side asked for."""
    delay = min(first * (1 << min(attempt - 1, 20)), _LONGEST_BACKOFF)
    delay = max(delay, min(at_least or timedelta(0), _LONGEST_RETRY_AFTER))
    return delay * (1 + spread / 4)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The value of a Retry-After header, in seconds or as a date; ``None`` if there is none that can be read."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return timedelta(seconds=min(int(header), 10**6))
    try:
        return max(parsedate_to_datetime(header) - now, timedelta(0))
    except (ValueError, TypeError):  # TypeError: a date without a zone
        return None


def _one_line(text: str) -> str:
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
