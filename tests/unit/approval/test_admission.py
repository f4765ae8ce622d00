"""Which starts are let in."""

import pytest

from placet_approval.admission import Admission, Limits
from placet_approval.domain import Overloaded


class Waiting:
    """How many runs the database says that wait."""

    def __init__(self) -> None:
        self.runs = 0

    async def count(self, limit: int) -> int:
        return min(self.runs, limit)


def admission(
    waiting: Waiting | None = None, *, starts: int = 10, memory: int = 1000, runs: int | None = 10
) -> Admission:
    return Admission(Limits(starts, memory, runs), (waiting or Waiting()).count)


def start(admitted: Admission, size: int = 1) -> None:
    """One start, from the first byte to its commit."""
    admitted.check(size)
    with admitted.reading(size):
        pass
    with admitted.committing(size):
        pass


def test_no_more_starts_are_under_way_than_the_limit() -> None:
    """Reading and committing count alike; what is done makes room."""
    admitted = admission(starts=2)

    with admitted.reading(1):
        admitted.check(1)
        with admitted.committing(1):
            with pytest.raises(Overloaded, match="2 starts are under way already") as refused:
                admitted.check(1)
        admitted.check(1)

    assert refused.value.retry_after == 1


def test_no_more_memory_is_taken_than_the_limit() -> None:
    """A start that would take more is refused; a smaller one is let in."""
    admitted = admission(memory=1000)

    with admitted.reading(600):
        with pytest.raises(Overloaded, match="memory"):
            admitted.check(401)
        admitted.check(400)
    admitted.check(1000)


def test_a_start_that_fails_takes_nothing_with_it() -> None:
    """Whatever becomes of a start, its place is free again, and it does not count as begun."""
    admitted = admission(starts=1, runs=1)

    with pytest.raises(ConnectionError), admitted.committing(1):
        raise ConnectionError
    admitted.check(1)


async def test_no_more_runs_wait_than_the_limit() -> None:
    """Those that were counted, and those that were begun since."""
    waiting = Waiting()
    admitted = admission(waiting, runs=10)
    waiting.runs = 8
    await admitted.look()

    start(admitted)
    start(admitted)
    with pytest.raises(Overloaded, match="10 runs wait for an executor already") as refused:
        start(admitted)
    assert refused.value.retry_after == 5

    waiting.runs = 9
    await admitted.look()
    start(admitted)


async def test_a_start_that_is_committed_while_runs_are_counted_counts() -> None:
    """The count may not have seen it."""
    admitted = admission()

    async def count(limit: int) -> int:
        start(admitted)
        return 9

    admitted._count_waiting = count
    await admitted.look()

    with pytest.raises(Overloaded):
        start(admitted)


async def test_without_a_limit_nothing_is_counted() -> None:
    """However many wait."""
    waiting = Waiting()
    admitted = admission(waiting, runs=None)
    waiting.runs = 10**6
    await admitted.look()

    for _ in range(100):
        start(admitted)
