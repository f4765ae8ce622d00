"""What an operator and an orchestrator ask of every service: alive, ready, metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from placet_runtime.bus import Bus
from placet_runtime.loops import Loops
from placet_runtime.postgres import UNAVAILABLE, Pool

_ANSWERS_WITHIN = 2.0  # seconds
_SHARE = 20  # of the time, one part at most goes into reading gauges


class Gauges:
    """Gauges that are read from the database: with a million rows to count, not each time that somebody looks."""

    def __init__(self, read: Callable[[], Awaitable[None]], clock: Callable[[], float] = monotonic) -> None:
        self._read = read
        self._clock = clock
        self._not_before = clock()

    async def refresh(self) -> None:
        """Bring them up to date, unless that was done just now for what it takes."""
        began = self._clock()
        if began >= self._not_before:
            await self._read()
            self._not_before = began + _SHARE * (self._clock() - began)


@dataclass(frozen=True, slots=True)
class Operations:
    """How one service shows its state."""

    pool: Pool
    bus: Bus
    loops: Loops
    gauges: Gauges
    needs_bus: bool = True  # to be ready; who only answers requests goes on without


async def livez(request: Request) -> Response:
    """Whether each loop makes progress; a restart helps where one does not."""
    stalled = [f"{service.bus.service}: {name}" for service in _services(request) for name in service.loops.stalled]
    return JSONResponse({"stalled": stalled}, status_code=503 if stalled else 200)


async def readyz(request: Request) -> Response:
    """Whether Postgres can be reached, and the bus where it is needed."""
    checks = {
        service.bus.service: {"bus": service.bus.ready, "database": await _answers(service.pool)}
        for service in _services(request)
    }
    needed = {service.bus.service for service in _services(request) if service.needs_bus}
    ready = all(found["database"] and (found["bus"] or name not in needed) for name, found in checks.items())
    return JSONResponse(checks, status_code=200 if ready else 503)


async def metrics(request: Request) -> Response:
    """All metrics, for Prometheus."""
    for service in _services(request):
        with suppress(*UNAVAILABLE):  # counters are worth having all the same
            await service.gauges.refresh()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


ROUTES = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


def _services(request: Request) -> Sequence[Operations]:
    """As a service's lifespan has put them into its state."""
    services: Sequence[Operations] = request.state.operations
    return services


async def _answers(pool: Pool) -> bool:
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN):  # a connection to ask over is a part of it
            await pool.fetchval("SELECT 1")
    except UNAVAILABLE:
        return False
    return True
