"""The lists of the inbox: which approvals, in which order, and for whom. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Self, get_args
from uuid import UUID

from placet_contracts.events import Outcome

Shelf = Literal["mine", "groups", "all", "history"]
Order = Literal["newest", "oldest", "due"]

SHELVES: tuple[Shelf, ...] = get_args(Shelf)
ORDERS: tuple[Order, ...] = get_args(Order)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Query:
    """Which approvals, in which order. ``due``: those with a deadline come first, the soonest first.

    ``text`` is part of a title, a workflow, a run's id or a requester, in whatever case; ``outcome`` is of the history
    alone, which is ordered by when it was made. What is empty asks for nothing.
    """

    shelf: Shelf
    order: Order = "newest"
    text: str | None = None
    workflow: str | None = None
    gate: str | None = None
    outcome: Outcome | None = None
    requester: str | None = None

    @property
    def streams(self) -> "tuple[Stream, ...]":
        """What it is ordered by: one after the other."""
        newest = self.order != "oldest"
        if self.shelf == "history":
            return (Stream("resolved_at", newest_first=newest),)
        if self.order == "due":
            return (Stream("expires_at", newest_first=False, dated=True), Stream("opened_at", dated=False))
        return (Stream("opened_at", newest_first=newest),)

    @property
    def looks(self) -> bool:
        """Whether it looks at more than it shows, as no index has just that."""
        asked = [name for name in ("text", "workflow", "gate", "requester") if getattr(self, name)]
        if self.shelf != "history":
            return bool(asked)
        if self.outcome:
            return bool(asked) or self.outcome == "approved"
        return asked not in ([], ["workflow"])


@dataclass(frozen=True, slots=True)
class Stream:
    """An order by one time. ``dated``: only those with, or without, a deadline."""

    by: Literal["opened_at", "expires_at", "resolved_at"]
    newest_first: bool = True
    dated: bool | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """An approval's place in one of a query's streams."""

    stream: int
    at: datetime
    id: UUID

    @property
    def text(self) -> str:
        """As a URL has it."""
        return f"{self.stream}.{(self.at - _EPOCH) // _MICROSECOND}.{self.id.hex}"

    @classmethod
    def of(cls, text: str, query: Query) -> Self:
        """The place that a text says.

        Raises:
            ValueError: it says none in such a query.
        """
        try:
            stream, at, id = text.split(".")
            place = cls(int(stream), _EPOCH + int(at) * _MICROSECOND, UUID(hex=id))
        except (ValueError, OverflowError):
            raise ValueError(f"{text[:100]!r} is no place") from None
        if place.stream not in range(len(query.streams)):
            raise ValueError(f"{text[:100]!r} is no place of this list")
        return place


@dataclass(frozen=True, slots=True)
class Side:
    """Somebody who may be asked: who looks, or for whom they stand in.

    ``names``: as the history calls them; ``asked_as``: approvers that they are, or are among.
    """

    subject: str
    names: Sequence[str]
    asked_as: Sequence[str]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, first of the ``sides``, and for whom they stand in just now. ``groups``: theirs, as approvers."""

    sides: Sequence[Side] = ()
    groups: Sequence[str] = ()
