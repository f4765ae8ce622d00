"""The executor, put together: the only place that knows settings and all parts."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from prometheus_client import Gauge
from starlette.applications import Starlette

from placet.app import Placet
from placet_executor.api import ROUTES
from placet_executor.consumer import HANDLERS
from placet_executor.deps import Deps
from placet_executor.handlers import leases, serving
from placet_executor.handlers.changes import DUE
from placet_executor.settings import Settings
from placet_executor.slots import Slots
from placet_executor.store import retention as rules
from placet_executor.store import runs
from placet_executor.worker import Worker
from placet_runtime import migrations, postgres, telling
from placet_runtime.bus import Bus
from placet_runtime.consumer import Consumer
from placet_runtime.listener import listen
from placet_runtime.loops import Loops
from placet_runtime.operations import Gauges, Operations
from placet_runtime.outbox import Outbox
from placet_runtime.rabbit import RabbitBus
from placet_runtime.receipts import Verifier
from placet_runtime.retention import QUARANTINE, Retention

RUNS = Gauge("placet_runs", "Runs that wait or run now; ended and paused ones are not counted", ["state"])


@dataclass(frozen=True, slots=True)
class Executor:
    """A running executor."""

    deps: Deps
    operations: Operations


@asynccontextmanager
async def service(settings: Settings, app: Placet, bus: Bus) -> AsyncIterator[Executor]:
    """An executor that runs until the context ends; then it drains."""
    dsn = settings.database_url.get_secret_value()
    if settings.migrate:
        await migrations.apply(dsn, "executor")
    loops = Loops()
    async with postgres.connect(dsn, "executor", size=settings.database_connections) as pool:
        outbox = Outbox(pool, bus)
        slots = Slots(settings.concurrency)
        deps = Deps(
            worker=f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
            app=app,
            outbox=outbox,
            verifier=Verifier(settings.verify_keys),
            lease=settings.lease,
            backoff=settings.retry_backoff,
            hands=slots,
        )
        worker = Worker(deps, slots)
        consumer = Consumer(bus, pool, {event: partial(handle, deps) for event, handle in HANDLERS.items()})

        retention = Retention(
            pool,
            "executor",
            [(rules.RUNS, settings.retention_runs), (QUARANTINE, settings.retention_quarantine)],
            settings.retention_every,
        )

        async def refresh() -> None:
            async with pool.acquire() as conn:
                counts = await runs.counts(conn)
            for state, count in counts.items():
                RUNS.labels(state).set(count)

        served = serving.catalogue(app)
        await leases.register(deps)
        async with bus.open():
            relaying = Loops()
            relaying.forever("relay", outbox.relay)
            relaying.every("sweep", 1, outbox.sweep)
            loops.forever("claim", worker.claim)
            loops.every("keep", min(1.0, settings.lease.total_seconds() / 6), worker.keep)
            loops.every("register", 5, partial(leases.register, deps))
            loops.every("tell served", serving.EVERY, partial(serving.tell, deps, served))
            loops.forever("acknowledge", consumer.keep_acknowledging)
            loops.every("retry", 2, consumer.retry)
            loops.every("tell quarantine", 1, partial(telling.tell, pool, outbox))
            loops.forever("retention", retention.run)
            loops.every("reconcile", 1, partial(leases.reconcile, deps))
            loops.forever("listen", partial(listen, dsn, "executor", DUE, lambda _: slots.wake()))
            async with relaying.running():
                try:
                    yield Executor(deps, Operations(pool, bus, loops, Gauges(refresh)))
                finally:
                    await bus.stop_receiving()
                    await loops.stop("claim")
                    await worker.drain(settings.drain)
                    await loops.stop()
                    await leases.forget(deps)
                    await outbox.flush()
                    await consumer.acknowledge()


def build(settings: Settings, app: Placet) -> Starlette:
    """The executor as an ASGI app on RabbitMQ."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        bus = RabbitBus(settings.amqp_url.get_secret_value(), "executor", namespace=settings.namespace)
        async with service(settings, app, bus) as executor:
            yield {"operations": [executor.operations]}

    return Starlette(routes=ROUTES, lifespan=lifespan)
