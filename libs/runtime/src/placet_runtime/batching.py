"""Batches that form by themselves: whatever gathers while one is under way goes next; alone, an item goes at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from placet_runtime.postgres import UNAVAILABLE

BATCH = 64
"""Large enough for a commit to cost an item next to nothing; small enough that, under load, one batch is under way in
each stage of a run, instead of all runs in one batch that goes from stage to stage."""

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Many callers submit one item each; one function processes them many at a time, one batch after the other.

    ``process`` returns one result an item, in order; a result that is an exception is raised to that item's caller.
    If a batch of several raises, its items are tried one by one, so that a bad one fails alone; if the database is
    away, all of them are told so at once.
    """

    def __init__(
        self, process: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], *, limit: int = BATCH
    ) -> None:
        self._process = process
        self._limit = limit
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """The item's own result, once the batch that it went in has been processed."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
                await self._settle(batch)
        finally:
            self._task = None
            while self._waiting:
                self._waiting.popleft()[1].cancel()

    async def _settle(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._process([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, UNAVAILABLE):
                for entry in batch:
                    await self._settle([entry])
            else:
                for _, future in batch:
                    _resolve(future, error)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(batch, results, strict=True):
                _resolve(future, result)


def _resolve(future: asyncio.Future[R], result: R | Exception) -> None:
    if future.done():  # its caller has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
