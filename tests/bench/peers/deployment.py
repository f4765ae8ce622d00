"""A deployment that is compared with others."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.driver import Peer


async def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Deployment:
    """A product that runs."""

    peer: Peer
    url: str
    facts: Mapping[str, Any]  # versions, and the settings that matter
    headers: Mapping[str, str] = field(default_factory=dict)
    database_url: str | None = None
    before_pausing: Callable[[], Awaitable[None]] = _nothing  # before the memory of paused runs is measured
