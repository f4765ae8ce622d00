"""Loops outlive their errors, and show whether they make progress."""

import asyncio

import pytest

from placet_runtime import loops as module
from placet_runtime.loops import Loops


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESTART_AFTER", 0.0)


async def test_a_loop_that_raises_is_started_again() -> None:
    """Whatever a loop's work raises, also a cancellation that nobody asked of the loop, it goes on."""
    loops = Loops()
    rounds: list[int] = []
    done = asyncio.Event()

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise ValueError("a bug")
        if len(rounds) == 2:
            raise asyncio.CancelledError  # as libraries do when their connection goes
        done.set()
        await asyncio.Event().wait()

    async with loops.running():
        loops.forever("work", work)
        await asyncio.wait_for(done.wait(), 5)

    assert rounds == [0, 1, 2]


async def test_loops_end_with_their_context() -> None:
    """Nothing runs on after the context."""
    loops = Loops()
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with loops.running():
        loops.forever("work", work)
        await asyncio.sleep(0)

    assert ended.is_set()


async def test_a_loop_that_hangs_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A periodic loop that does not come round is named, so that liveness can fail; one that does is not."""
    monkeypatch.setattr(module, "_STALLED_AFTER", 0.0)
    loops = Loops()

    async def hang() -> None:
        await asyncio.Event().wait()

    async with loops.running():
        loops.every("hangs", 60, hang)
        await asyncio.sleep(0)
        assert loops.stalled == ["hangs"]
        await loops.stop("hangs")
        assert loops.stalled == []


async def test_a_loop_ends_whose_cancellation_was_swallowed() -> None:
    """A library that a loop waits for may keep the first cancellation to itself: the loop ends all the same."""
    loops = Loops()
    swallowed = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    loops.forever("work", work)
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await loops.stop()

    assert swallowed.is_set()


async def test_two_loops_of_one_name_are_refused() -> None:
    """Neither would be known to the other's end."""
    loops = Loops()

    async def work() -> None:
        await asyncio.Event().wait()

    async with loops.running():
        loops.every("work", 1, work)
        with pytest.raises(ValueError, match="two loops 'work'"):
            loops.every("work", 1, work)
