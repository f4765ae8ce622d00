"""Drives approval cycles over the public REST API, as a client of the product would."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic, monotonic_ns
from typing import Any
from uuid import uuid4

import aiohttp

INPUT = {"key": "k" * 16, "padding": "x" * 160}  # 200 bytes as JSON


@dataclass
class Cycles:
    """What was seen: cycles that ended, and milliseconds from sending the decision to the handler's entry."""

    ended: int = 0
    seconds: float = 0.0
    to_entry: list[float] = field(default_factory=list)

    def percentile(self, values: list[float], share: float) -> float:
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Driver:
    """One client with many connections."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def run(self, *, in_flight: int, seconds: float | None = None, cycles: int | None = None) -> Cycles:
        """Keep ``in_flight`` cycles going for some seconds, or until so many have ended."""
        seen = Cycles()
        began = monotonic()
        left = cycles if cycles is not None else -1

        async def lane(session: aiohttp.ClientSession) -> None:
            nonlocal left
            while left != 0 and (seconds is None or monotonic() - began < seconds):
                left -= 1
                await self._cycle(session, seen)

        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=self._headers) as session:
            await asyncio.gather(*(lane(session) for _ in range(in_flight)))
        seen.seconds = monotonic() - began
        return seen

    async def _cycle(self, session: aiohttp.ClientSession, seen: Cycles) -> None:
        run_id = uuid4().hex
        await self._post(session, "/v1/runs", {"workflow": "bench", "runId": run_id, "input": INPUT})
        paused = await self._get(session, f"/v1/runs/{run_id}?wait=30&until=paused")
        approval_id = paused["approvals"][0]["id"]
        sent = monotonic_ns()
        await self._post(session, f"/v1/approvals/{approval_id}/decisions", {"decision": "approve"})
        ended = await self._get(session, f"/v1/runs/{run_id}?wait=30")
        if ended["status"] != "completed":
            raise RuntimeError(f"a cycle did not complete: {ended}")
        seen.ended += 1
        seen.to_entry.append((ended["output"]["entered"] - sent) / 1e6)

    async def _post(self, session: aiohttp.ClientSession, path: str, body: Any) -> Any:
        async with session.post(self._url + path, json=body) as response:
            answer = await response.json()
            if response.status >= 400:
                raise RuntimeError(f"{path}: {response.status} {answer}")
            return answer

    async def _get(self, session: aiohttp.ClientSession, path: str) -> Any:
        async with session.get(self._url + path) as response:
            answer = await response.json()
            if response.status >= 400:
                raise RuntimeError(f"{path}: {response.status} {answer}")
            return answer
