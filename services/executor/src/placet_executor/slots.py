"""The passes that this worker executes now, and the signal that more may be due."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic


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
        self._due = asyncio.Event()

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    @property
    def free(self) -> int:
        return self._limit - len(self._slots)

    def put(self, slot: Slot) -> None:
        self._slots[slot.run_id] = slot
        slot.task.add_done_callback(lambda _: self._leave(slot))

    def wake(self) -> None:
        """Have the worker look for due runs."""
        self._due.set()

    def abandon(self, run_ids: Sequence[str]) -> None:
        """Cancel passes whose runs were taken away."""
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

    def _leave(self, slot: Slot) -> None:
        if self._slots.get(slot.run_id) is slot:
            if self.free == 0:
                self.wake()
            del self._slots[slot.run_id]
