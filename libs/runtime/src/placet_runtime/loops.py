"""Background loops that outlive their errors, and whose progress liveness looks at."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

_STALLED_AFTER = 60.0  # seconds without a completed round
_RESTART_AFTER = 1.0  # seconds, when a loop has raised
_CANCEL_AGAIN_AFTER = 0.5


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended: libraries that they wait for may keep a cancellation to themselves."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_AFTER)
    await asyncio.gather(*tasks, return_exceptions=True)


class Loops:
    """The loops of one service."""

    def __init__(self) -> None:
        self._progress: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def stalled(self) -> list[str]:
        """The periodic loops that have not come round for a minute."""
        now = time.monotonic()
        return [name for name, at in self._progress.items() if now - at > _STALLED_AFTER]

    def every(self, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do ``work`` again and again, about ``seconds`` apart, whatever it raises.

        Raises:
            ValueError: a loop of this name runs.
        """

        async def rounds() -> None:
            while True:
                await work()
                self._progress[name] = time.monotonic()
                await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311

        self.forever(name, rounds)
        self._progress[name] = time.monotonic()

    def forever(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Keep ``work`` going: when it raises, log it and start it again after a second.

        Raises:
            ValueError: a loop of this name runs.
        """
        if name in self._tasks:
            raise ValueError(f"there are two loops {name!r}")

        async def supervise() -> None:
            while True:
                try:
                    await work()
                except asyncio.CancelledError:
                    # Libraries raise it for their own ends; ours is only the one that was asked of this task.
                    if (task := asyncio.current_task()) is not None and task.cancelling():
                        raise
                    log.warning("loop.interrupted", loop=name)
                except Exception:
                    log.exception("loop.failed", loop=name)
                await asyncio.sleep(_RESTART_AFTER)

        self._tasks[name] = asyncio.create_task(supervise(), name=name)

    async def stop(self, *names: str) -> None:
        """End these loops, or all."""
        stopped = [self._tasks.pop(name) for name in names or list(self._tasks)]
        for name in names or list(self._progress):
            self._progress.pop(name, None)
        await end(*stopped)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends all loops when the context ends."""
        try:
            yield
        finally:
            await self.stop()
