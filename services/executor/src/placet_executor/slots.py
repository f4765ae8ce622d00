"""The passes that this worker executes now, and the signal that more may be due."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from placet_executor.domain import Claimed


@dataclass(slots=True)
class Slot:
    """One pass under way, held under a lease."""

    run_id: str
    fence: int
    task: asyncio.Task[None]
    since: float = field(default_factory=monotonic)
    renewed: float = field(default_factory=monotonic)
    announced: bool = False

    @property
    def held(self) -> tuple[str, int]:
        """Run id and fence, as statements take them."""
        return self.run_id, self.fence


class Slots:
    """Up to ``limit`` passes. A paused run holds none."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._slots: dict[str, Slot] = {}
        self._kept = 0
        self._due = asyncio.Event()
        self._pass: Callable[[Claimed], Coroutine[None, None, None]]
        self.behind = True
        """Whether runs may wait that were due before those that come now."""

    def begin_with(self, pass_: Callable[[Claimed], Coroutine[None, None, None]]) -> None:
        """What executes one pass."""
        self._pass = pass_

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    @property
    def free(self) -> int:
        return self._limit - len(self._slots) - self._kept

    def room(self, wanted: int) -> AbstractContextManager[int]:
        return self.keep(0 if self.behind else wanted)

    @contextmanager
    def keep(self, wanted: int) -> Iterator[int]:
        """Keep slots free for whoever claims runs: as many as there are, up to ``wanted``."""
        kept = max(0, min(wanted, self.free))
        self._kept += kept
        try:
            yield kept
        finally:
            self._kept -= kept

    def execute(self, claimed: Sequence[Claimed]) -> None:
        for run in claimed:
            slot = Slot(run.id, run.fence, asyncio.create_task(self._pass(run), name=f"run {run.id}"))
            self._slots[run.id] = slot
            slot.task.add_done_callback(partial(self._leave, slot))

    def wake(self) -> None:
        self._due.set()

    def abandon(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            if (slot := self._slots.get(run_id)) is not None:
                slot.task.cancel()

    async def due(self, at_most: float) -> None:
        """Wait for a wake-up, for ``at_most`` seconds."""
        try:
            async with asyncio.timeout(at_most):
                await self._due.wait()
        except TimeoutError:
            return
        self._due.clear()

    def _leave(self, slot: Slot, _: asyncio.Task[None]) -> None:
        if self._slots.get(slot.run_id) is slot:
            if self.free <= 0:
                self.wake()
            del self._slots[slot.run_id]
