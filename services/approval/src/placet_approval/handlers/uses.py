"""When keys and sessions were last used: gathered in memory, and written a few times a minute, for all at once."""

from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from placet_runtime.postgres import Connection, Pool

T = TypeVar("T")


class Uses(Generic[T]):
    """Ids of what was used since it was last written down; ``touch`` is the statement that does."""

    def __init__(self, pool: Pool, touch: Callable[[Connection, Collection[T]], Awaitable[None]]) -> None:
        self._pool = pool
        self._touch = touch
        self._used: set[T] = set()

    def note(self, id: T) -> None:
        """It is used just now."""
        self._used.add(id)

    async def write(self) -> None:
        """Write down what was used; where that fails, it is used again before long, or was not worth it."""
        if self._used:
            used, self._used = self._used, set()
            async with self._pool.acquire() as conn:
                await self._touch(conn, used)
