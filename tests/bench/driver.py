"""Keeps approval cycles going, of whatever product, and notes how long their parts take."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from bench.http import Client

INPUT = {"key": "k" * 16, "padding": "x" * 160}  # 200 bytes as JSON


@dataclass
class Cycles:
    """What was seen: cycles that ended, and milliseconds from sending a request to the handler's entry."""

    ended: int = 0
    seconds: float = 0.0
    start_to_entry: list[float] = field(default_factory=list)
    approve_to_entry: list[float] = field(default_factory=list)

    def end(self, *, started: int, entered: int, approved: int, resumed: int) -> None:
        """A cycle has ended; nanoseconds of the monotonic clock, which is one for all processes of a machine.

        The start is sent, the handler entered for the first time, the decision sent, the handler entered again.
        """
        self.ended += 1
        self.start_to_entry.append((entered - started) / 1e6)
        self.approve_to_entry.append((resumed - approved) / 1e6)


class Peer(Protocol):
    """A product, as far as the benchmark uses it."""

    async def cycle(self, client: Client, seen: Cycles) -> None:
        """Start a run, wait for its pause, approve it, and see its end."""
        ...

    async def pause(self, client: Client) -> None:
        """Start a run, and leave it at its gate."""
        ...


class Driver:
    """Sends the cycles of a peer, over as many connections as there are cycles in flight."""

    def __init__(self, peer: Peer, client: Client) -> None:
        self._peer = peer
        self._client = client

    async def run(self, *, in_flight: int, seconds: float | None = None, cycles: int | None = None) -> Cycles:
        """Keep ``in_flight`` cycles going for some seconds, or until so many have ended."""
        seen = Cycles()
        began = monotonic()
        left = cycles if cycles is not None else -1

        async def lane() -> None:
            nonlocal left
            while left != 0 and (seconds is None or monotonic() - began < seconds):
                left -= 1
                await self._peer.cycle(self._client, seen)

        async with asyncio.TaskGroup() as lanes:
            for _ in range(in_flight):
                lanes.create_task(lane())
        seen.seconds = monotonic() - began
        return seen


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def call(client: Client, method: str, path: str, body: Any = None) -> Any:
    """The JSON that a request is answered with.

    Raises:
        RuntimeError: the answer says that something is wrong.
    """
    status, answer = await client.request(method, path, None if body is None else to_json(body))
    if status >= 400:
        raise RuntimeError(f"{method} {path}: {status} {answer.decode(errors='replace')}")
    return from_json(answer) if answer else None
