"""Bounds how long another side may take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from placet_notifier.domain import TryLater


@asynccontextmanager
async def within(seconds: float, whom: str) -> AsyncIterator[None]:
    """Raises `TryLater` when the time is up: the message may have arrived all the same."""
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            yield
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise TryLater(f"{whom} took longer than {seconds:g} s") from error
