"""Callers of the API: they try again as callers do, and remember what they were told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from time import monotonic, time
from typing import Any, Literal

import httpx2

from chaos.history import History, State
from chaos.stack import Stack

Verdict = Literal["approve", "reject"]
Json = dict[str, Any]

_TIMEOUT = 6.0  # seconds
_AGAIN_AFTER = (0.05, 0.4)
_OUTCOMES: Mapping[Verdict, str] = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Started:
    """A start that was acknowledged."""

    run_id: str
    workflow: str
    input: Json
    via: Literal["http", "amqp"]
    at: float  # seconds since the epoch
    event_id: str | None = None  # of a message


@dataclass(slots=True)
class Memory:
    """What callers were told."""

    history: History = field(default_factory=History)
    started: list[Started] = field(default_factory=list)
    decided: dict[str, State] = field(default_factory=dict)  # 200, by approval
    cancelled: set[str] = field(default_factory=set)  # runs
    counts: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)  # answers that the API does not give
    decisions: list[tuple[float, float]] = field(default_factory=list)  # answered: when (monotonic), after how long


class Unknown(Exception):
    """Raised where it is unknown what became of a request."""


class Api:
    """The API behind a balancer that knows nothing: replicas take turns, and those who fail, too."""

    def __init__(self, stack: Stack, https: Sequence[httpx2.AsyncClient], memory: Memory) -> None:
        self._stack = stack
        self._https = https
        self._turns = count()
        self.memory = memory

    async def start(self, run_id: str, workflow: str, input: Json, *, version: int | None = None) -> bool:
        """Start a run; whether it was acknowledged rather than refused for what it contradicts."""
        body = {"workflow": workflow, "runId": run_id, "input": input, "version": version}
        answer = await self._insist("POST", "/v1/runs", self._stack.starter, json=body)
        if answer.status_code == 202:
            self.memory.counts["starts acknowledged"] += 1
            self.memory.started.append(Started(run_id, workflow, input, "http", time()))
            return True
        self._expect(answer, 409)
        return False

    async def run(self, run_id: str, *, wait: float = 0, until: str = "ended") -> Json | None:
        """A run as it stands; ``None`` while it is not known."""
        query = {"wait": str(wait), "until": until} if wait else {}
        answer = await self._insist("GET", f"/v1/runs/{run_id}", self._stack.starter, params=query, more=wait)
        if answer.status_code == 404 or not self._expect(answer, 200):
            return None
        return dict(answer.json())

    async def cancel(self, run_id: str) -> None:
        """Cancel a run, or be told that it has ended."""
        answer = await self._insist("POST", f"/v1/runs/{run_id}/cancel", self._stack.starter)
        self._expect(answer, 202, 409)
        if answer.status_code == 202:
            self.memory.cancelled.add(run_id)
            self.memory.counts["cancelled"] += 1

    async def pending(self) -> list[Json]:
        """Some approvals that wait for a decision."""
        query = {"status": "pending", "limit": "200"}
        answer = await self._insist("GET", "/v1/approvals", self._stack.starter, params=query)
        return list(answer.json()["items"]) if self._expect(answer, 200) else []

    async def get(self, approval_id: str) -> None:
        """Read an approval, once."""
        with self.memory.history.operation(approval_id, "get") as operation:
            try:
                answer = await self._once("GET", f"/v1/approvals/{approval_id}", self._stack.starter)
            except Unknown:
                return
            if self._expect(answer, 200):
                body = answer.json()
                operation.seen = (body["status"], body["resolvedBy"])

    async def decide(self, approval_id: str, verdict: Verdict, actor: str) -> State:
        """Decide, until an answer comes: how the approval ended, by this decision or before."""
        wanted = (_OUTCOMES[verdict], actor)
        while True:
            began = monotonic()
            with self.memory.history.operation(approval_id, "decide", wanted) as operation:
                try:
                    answer = await self._once(
                        "POST",
                        f"/v1/approvals/{approval_id}/decisions",
                        self._stack.deciders[actor],
                        json={"decision": verdict},
                    )
                except Unknown:
                    answer = None
                if answer is not None and self._expect(answer, 200, 409):
                    self.memory.decisions.append((monotonic(), monotonic() - began))
                    body = answer.json()
                    if answer.status_code == 200:
                        operation.seen = (body["status"], body["resolvedBy"])
                        self.memory.decided[approval_id] = operation.seen
                        self.memory.counts["decided"] += 1
                    else:
                        operation.seen = (body["outcome"], body["resolvedBy"])
                        self.memory.counts["decided before"] += 1
                    return operation.seen
            await asyncio.sleep(Random().uniform(*_AGAIN_AFTER))

    async def _insist(self, method: str, path: str, key: str, *, more: float = 0, **request: Any) -> httpx2.Response:
        while True:
            try:
                return await self._once(method, path, key, more=more, **request)
            except Unknown:
                await asyncio.sleep(Random().uniform(*_AGAIN_AFTER))

    async def _once(self, method: str, path: str, key: str, *, more: float = 0, **request: Any) -> httpx2.Response:
        http = self._https[next(self._turns) % len(self._https)]
        try:
            async with asyncio.timeout(_TIMEOUT + more):
                answer = await http.request(method, path, headers={"Authorization": f"Bearer {key}"}, **request)
        except (httpx2.TransportError, TimeoutError) as error:
            self.memory.counts["requests without an answer"] += 1
            raise Unknown from error
        if answer.status_code in (429, 503):
            self.memory.counts[f"requests answered {answer.status_code}"] += 1
            raise Unknown
        return answer

    def _expect(self, answer: httpx2.Response, *statuses: int) -> bool:
        if answer.status_code in statuses:
            return True
        self.memory.counts["unexpected answers"] += 1
        if len(self.memory.unexpected) < 20:
            request = answer.request
            self.memory.unexpected.append(
                f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:200]}"
            )
        return False


@asynccontextmanager
async def api(stack: Stack, memory: Memory) -> AsyncIterator[Api]:
    """Connections to every replica of the API."""
    async with AsyncExitStack() as opened:
        https = [await opened.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=None)) for url in stack.urls]
        yield Api(stack, https, memory)
