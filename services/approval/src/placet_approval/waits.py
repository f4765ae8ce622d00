"""Long polls: requests that wait until something that they name has moved."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

_LOOK_AGAIN = 1.0  # seconds; the hint from another replica may get lost


class Waits:
    """Who waits for which id, in this process."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, ids: Iterable[str]) -> None:
        """Have those who wait for these ids look again."""
        for id in ids:
            for event in self._waiting.get(id, ()):
                event.set()

    async def until(self, id: str, seconds: float, look: Callable[[], Awaitable[T]], done: Callable[[T], bool]) -> T:
        """What ``look`` sees once it is ``done``, or after some seconds, or when the service stops."""
        deadline = monotonic() + seconds
        event = asyncio.Event()
        self._waiting[id].add(event)
        try:
            while True:
                event.clear()
                seen = await look()
                left = deadline - monotonic()
                if done(seen) or left <= 0 or self._stopping.is_set():
                    return seen
                try:
                    async with asyncio.timeout(min(left, _LOOK_AGAIN)):
                        await event.wait()
                except TimeoutError:
                    continue
        finally:
            self._waiting[id].discard(event)
            if not self._waiting[id]:
                del self._waiting[id]
