"""Waiting for what gives no signal of its own."""

import asyncio
from collections.abc import Awaitable, Callable

from placet_runtime.bus import Bus

_WITHIN = 20.0  # seconds


async def eventually(look: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as what is looked at is so; fail if it does not become so."""
    async with asyncio.timeout(_WITHIN):
        while not await look():
            await asyncio.sleep(0.02)


async def connected(bus: Bus) -> None:
    """Return as soon as a bus can publish and receive."""

    async def ready() -> bool:
        return bus.ready

    await eventually(ready)
