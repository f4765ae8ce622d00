"""Which starts are let in. Load is shed here, before anything of a request is read: a refusal costs next to nothing.

Three things are bounded: the starts that this process works on, the memory that their bodies take, and the runs that
wait for an executor to begin with them. Reads and decisions are never refused.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Counter

from placet_approval.domain import Overloaded

REFUSED = Counter("placet_starts_refused_total", "Starts that were refused with a 503, by what was full", ["reason"])

_SOON = 1  # seconds: until this process has gone through what it works on
_LATER = 5  # until executors have begun with a good part of what waits


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is let in. ``waiting`` is ``None`` for no limit."""

    starts: int  # at a time, in this process
    bytes: int  # of their bodies
    waiting: int | None  # runs that no executor has begun with


class Admission:
    """What is under way, and whether more may come."""

    def __init__(self, limits: Limits, count_waiting: Callable[[int], Awaitable[int]]) -> None:
        self._limits = limits
        self._count_waiting = count_waiting  # up to a limit
        self._starts = 0
        self._bytes = 0
        self._begun = 0  # since this process lives
        self._waiting = 0  # as counted last, without those that were begun since

    def check(self, size: int) -> None:
        """Whether a start whose body has so many bytes may come in.

        Raises:
            Overloaded: not now.
        """
        limits = self._limits
        if self._starts >= limits.starts:
            raise self._refused("starts", f"{limits.starts} starts are under way already", _SOON)
        if self._bytes + size > limits.bytes:
            raise self._refused("bytes", "the starts that are under way take all the memory there is for them", _SOON)
        if limits.waiting is not None and self._waiting + self._begun >= limits.waiting:
            raise self._refused("waiting", f"{limits.waiting} runs wait for an executor already", _LATER)

    @contextmanager
    def reading(self, size: int) -> Iterator[None]:
        """While a body of so many bytes is read."""
        self._starts += 1
        self._bytes += size
        try:
            yield
        finally:
            self._starts -= 1
            self._bytes -= size

    @contextmanager
    def committing(self, size: int) -> Iterator[None]:
        """While a start with so many bytes is committed."""
        with self.reading(size):
            yield
        self._begun += 1

    async def look(self) -> None:
        """Count again how many runs wait."""
        if self._limits.waiting is None:
            return
        before = self._begun
        counted = await self._count_waiting(self._limits.waiting)
        self._waiting, self._begun = counted, self._begun - before

    def _refused(self, reason: str, why: str, retry_after: int) -> Overloaded:
        REFUSED.labels(reason).inc()
        return Overloaded(why, retry_after)
