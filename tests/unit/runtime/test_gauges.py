"""Gauges that are read from the database."""

from placet_runtime.operations import Gauges


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_gauges_that_take_long_are_read_seldom() -> None:
    """However often somebody looks, reading them takes a twentieth of the time at most."""
    clock, reads = Clock(), 0

    async def read() -> None:
        nonlocal reads
        reads += 1
        clock.now += 0.5

    gauges = Gauges(read, clock)
    for _ in range(100):
        await gauges.refresh()
        clock.now += 1

    assert reads == 10


async def test_gauges_that_take_no_time_are_read_each_time() -> None:
    """What somebody sees is then as it is now."""
    clock, reads = Clock(), 0

    async def read() -> None:
        nonlocal reads
        reads += 1

    gauges = Gauges(read, clock)
    for _ in range(5):
        await gauges.refresh()

    assert reads == 5
