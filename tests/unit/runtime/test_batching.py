"""Batches form by themselves, and a bad item fails alone."""

import asyncio
from collections.abc import Sequence

import pytest

from placet_runtime.batching import Batcher


class Process:
    """Doubles numbers; remembers its batches; can be held up and made to fail."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.errors: dict[int, Exception] = {}

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        await self.go.wait()
        for item in items:
            if item in self.errors:
                raise self.errors[item]
        return [item * 2 for item in items]


async def test_what_gathers_while_a_batch_is_under_way_goes_next() -> None:
    """The first item goes alone and at once; those that come meanwhile go together."""
    process = Process()
    batcher = Batcher(process)
    process.go.clear()
    first = asyncio.create_task(batcher.submit(1))
    await _started(process, 1)
    others = [asyncio.create_task(batcher.submit(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)

    process.go.set()

    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert process.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_limit() -> None:
    """More than the limit goes in several batches, in order."""
    process = Process()
    batcher = Batcher(process, limit=2)

    assert await asyncio.gather(*(batcher.submit(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert process.batches == [[0, 1], [2, 3], [4]]


async def test_a_bad_item_fails_alone() -> None:
    """When a batch raises, its items are tried one by one: one caller gets the error, the others their results."""
    process = Process()
    process.errors[2] = ValueError("bad")
    batcher = Batcher(process)

    results = await asyncio.gather(*(batcher.submit(n) for n in (1, 2, 3)), return_exceptions=True)

    assert results[0::2] == [2, 6]
    assert isinstance(results[1], ValueError)


async def test_a_database_that_is_away_fails_the_batch_at_once() -> None:
    """A batch that finds the database away is not tried item by item; all callers are told."""
    process = Process()
    process.errors[1] = ConnectionRefusedError()
    batcher = Batcher(process)

    results = await asyncio.gather(*(batcher.submit(n) for n in (1, 2, 3)), return_exceptions=True)

    assert all(isinstance(result, ConnectionRefusedError) for result in results)
    assert process.batches == [[1, 2, 3]]


async def test_an_exception_as_a_result_is_one_callers_own() -> None:
    """A result that is an exception is raised to its caller, and to nobody else."""

    async def refuse_odd(items: Sequence[int]) -> Sequence[int | Exception]:
        return [ValueError(item) if item % 2 else item for item in items]

    batcher: Batcher[int, int] = Batcher(refuse_odd)

    results = await asyncio.gather(*(batcher.submit(n) for n in (0, 1)), return_exceptions=True)

    assert results[0] == 0
    assert isinstance(results[1], ValueError)


async def test_a_caller_that_goes_away_costs_the_others_nothing() -> None:
    """An item whose caller was cancelled is processed all the same; the batch goes through."""
    process = Process()
    batcher = Batcher(process)
    process.go.clear()
    gone, stays = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
    await _started(process, 1)
    gone.cancel()

    process.go.set()

    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def _started(process: Process, batches: int) -> None:
    while len(process.batches) < batches:
        await asyncio.sleep(0)
