"""Feeds one receiver with what has gathered, batch after batch, and settles what it has committed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from placet_runtime.bus import Receive

log = structlog.get_logger()

M = TypeVar("M")

_BATCH_BYTES = 16 * 1024 * 1024  # about as much at a time; a statement cannot take more than 1 GB
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 5.0


class Pump(Generic[M]):
    """A queue of messages in this process, between a bus and one receiver."""

    def __init__(
        self,
        name: str,
        receive: Receive,
        *,
        body: Callable[[M], bytes],
        settle: Callable[[Sequence[M]], Awaitable[None]],
        limit: int = 256,
    ) -> None:
        self._name = name
        self._receive = receive
        self._body = body
        self._settle = settle
        self._limit = limit
        self._messages: asyncio.Queue[M] = asyncio.Queue()
        self.held = 0
        """Bytes that wait here."""
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"pump {name}")

    def put(self, message: M) -> None:
        self._messages.put_nowait(message)
        self.held += len(self._body(message))

    async def stop(self) -> None:
        """Finish the batch under way; what has not been settled is left to the bus."""
        self._stopping.set()
        await self._task

    async def _run(self) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                if not (batch := self._take([])):
                    first = asyncio.create_task(self._messages.get())
                    await asyncio.wait((first, stopped), return_when=asyncio.FIRST_COMPLETED)
                    if not first.done():
                        first.cancel()
                        return
                    batch = self._take([first.result()])
                if await self._received([self._body(message) for message in batch]):
                    await self._settle(batch)
        finally:
            stopped.cancel()

    def _take(self, batch: list[M]) -> list[M]:
        """A batch, filled up with what has gathered."""
        size = sum(len(self._body(message)) for message in batch)
        while len(batch) < self._limit and size < _BATCH_BYTES and not self._messages.empty():
            batch.append(self._messages.get_nowait())
            size += len(self._body(batch[-1]))
        self.held -= size
        return batch

    async def _received(self, bodies: Sequence[bytes]) -> bool:
        delay = _FIRST_DELAY
        while True:
            try:
                await self._receive(bodies)
                return True
            except Exception:
                log.exception("bus.receive_failed", subscription=self._name, messages=len(bodies), retry_in=delay)
            try:
                async with asyncio.timeout(delay * random.uniform(0.5, 1.5)):  # noqa: S311
                    await self._stopping.wait()
                return False
            except TimeoutError:
                delay = min(delay * 2, _LONGEST_DELAY)
