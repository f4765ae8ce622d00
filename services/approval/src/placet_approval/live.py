"""What moves, told to browsers that are open: that something did, never what. They look again with their own rights."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from hashlib import blake2s
from time import monotonic
from typing import Any

_PAUSE = 0.3  # seconds between two messages to one browser
_ALIVE = 15.0  # seconds until something is said in any case, so that a dead connection is seen
_TOPICS = 100  # named in a message
_LONGEST = 600.0  # seconds; then the browser comes again, and shows whether it is still signed in

BEGIN = "moved-begin"  # the event of the first message, and of others before which something may have been missed
ANYTHING = "moved"  # the event that comes with every message
MUCH = "moved-much"  # beside it, where more moved than is named


def topic(id: object) -> str:
    """The event of one run or approval."""
    return f"moved-{blake2s(str(id).encode(), digest_size=8).hexdigest()}"


class Live:
    """The browsers that listen to this process."""

    def __init__(self, stopping: asyncio.Event, most: int = 2000) -> None:
        self._stopping = stopping
        self._most = most
        self._listeners: dict[asyncio.Event, dict[str, None]] = {}

    @property
    def full(self) -> bool:
        """Whether as many listen as can."""
        return len(self._listeners) >= self._most

    def changed(self, ids: Iterable[object]) -> None:
        """These runs and approvals moved."""
        topics = dict.fromkeys(topic(id) for id in ids) if self._listeners else {}
        if not topics:
            return
        for woken, moved in self._listeners.items():
            if len(moved) + len(topics) <= _TOPICS:
                moved.update(topics)
            else:
                moved[MUCH] = None
            woken.set()

    def missed(self) -> None:
        """Anything may have moved."""
        for woken, moved in self._listeners.items():
            moved[BEGIN] = None
            woken.set()

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """What one browser is told, as server-sent events; something at once, as it may have missed some."""
        woken = asyncio.Event()
        moved: dict[str, None] = {BEGIN: None}
        self._listeners[woken] = moved
        woken.set()
        stopped = asyncio.create_task(self._stopping.wait())
        until = monotonic() + _LONGEST
        try:
            while not stopped.done() and monotonic() < until:
                said = b": nothing\n\n"
                if woken.is_set():
                    woken.clear()
                    said = _message(moved)
                    moved.clear()
                yield said
                await _either(stopped, asyncio.sleep(_PAUSE))
                await _either(stopped, woken.wait(), _ALIVE)
        finally:
            del self._listeners[woken]
            stopped.cancel()


def _message(topics: Iterable[str]) -> bytes:
    return "".join(f"event: {name}\ndata: -\n\n" for name in (ANYTHING, *topics)).encode()


async def _either(stopped: "asyncio.Task[bool]", other: Coroutine[Any, Any, Any], seconds: float | None = None) -> None:
    """Wait for something, or for the service to stop."""
    task = asyncio.create_task(other)
    try:
        await asyncio.wait((stopped, task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:  # however it ends: a browser that leaves cancels the wait
        task.cancel()
