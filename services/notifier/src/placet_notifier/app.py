"""The notifier, put together: the only place that knows settings and all parts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from prometheus_client import Gauge
from starlette.applications import Starlette

from placet_notifier import retention as rules
from placet_notifier import store
from placet_notifier.api import ROUTES
from placet_notifier.channels import email, slack, webhook
from placet_notifier.channels.absent import Absent
from placet_notifier.consumer import HANDLERS
from placet_notifier.deps import Channel, Deps
from placet_notifier.settings import Settings
from placet_notifier.worker import Worker
from placet_runtime import migrations, postgres, telling
from placet_runtime.bus import Bus
from placet_runtime.consumer import Consumer
from placet_runtime.loops import Loops
from placet_runtime.operations import Gauges, Operations
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import UNAVAILABLE
from placet_runtime.rabbit import RabbitBus
from placet_runtime.retention import QUARANTINE, Retention

DUE = Gauge("placet_deliveries_due", "Deliveries that wait to be tried now")


@dataclass(frozen=True, slots=True)
class Notifier:
    """A running notifier."""

    deps: Deps
    operations: Operations


@asynccontextmanager
async def service(settings: Settings, bus: Bus) -> AsyncIterator[Notifier]:
    """A notifier that runs until the context ends; then it drains."""
    dsn = settings.database_url.get_secret_value()
    if settings.migrate:
        await migrations.apply(dsn, "notifier")
    async with (
        postgres.connect(dsn, "notifier", size=settings.database_connections) as pool,
        _channels(settings) as channels,
    ):
        deps = Deps(
            pool=pool,
            outbox=Outbox(pool, bus),
            channels=channels,
            wake=asyncio.Event(),
            concurrency=settings.delivery_concurrency,
            lease=settings.delivery_timeout * 2,
            tries=settings.delivery_tries,
            backoff=settings.delivery_backoff,
        )
        worker = Worker(deps)
        consumer = Consumer(bus, pool, {event: partial(handle, deps) for event, handle in HANDLERS.items()})

        retention = Retention(
            pool,
            "notifier",
            [(rules.DELIVERIES, settings.retention_deliveries), (QUARANTINE, settings.retention_quarantine)],
            settings.retention_every,
        )

        async def refresh() -> None:
            with suppress(*UNAVAILABLE):
                DUE.set(await store.count_due(pool))

        loops = Loops()
        async with bus.open(), loops.running():
            loops.forever("relay", deps.outbox.relay)
            loops.every("sweep", 1, deps.outbox.sweep)
            loops.forever("acknowledge", consumer.keep_acknowledging)
            loops.every("retry", 2, consumer.retry)
            loops.every("tell quarantine", 1, partial(telling.tell, pool, deps.outbox))
            loops.forever("retention", retention.run)
            loops.every("deliver", 0, worker.round)
            try:
                yield Notifier(deps, Operations(pool, bus, loops, Gauges(refresh)))
            finally:
                await bus.stop_receiving()
                await worker.drain(settings.drain)
                await deps.outbox.flush()
                await consumer.acknowledge()


def build(settings: Settings, stopping: asyncio.Event) -> Starlette:
    """The notifier as an ASGI app on RabbitMQ. No request of it is long, so ``stopping`` has nobody to tell."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        bus = RabbitBus(settings.amqp_url.get_secret_value(), "notifier", namespace=settings.namespace)
        async with service(settings, bus) as notifier:
            yield {"deps": notifier.deps, "operations": [notifier.operations]}

    return Starlette(routes=ROUTES, lifespan=lifespan)


@asynccontextmanager
async def _channels(settings: Settings) -> AsyncIterator[Mapping[str, Channel]]:
    send_timeout = settings.delivery_timeout.total_seconds()
    channels: dict[str, Channel] = {
        "email": Absent("no SMTP server is configured: set PLACET_SMTP_URL"),
        "slack": Absent("no Slack app is configured: set PLACET_SLACK_TOKEN"),
        "webhook": Absent("no secret to sign webhooks with is configured: set PLACET_WEBHOOK_SECRET"),
    }
    async with AsyncExitStack() as stack:
        if settings.smtp_url is not None:
            channels["email"] = email.Mailer(
                email.Server.parse(settings.smtp_url.get_secret_value()),
                sender=email.parse_sender(settings.mail_from),
                tls=ssl.create_default_context(cafile=settings.smtp_ca),
                public_url=settings.public_url,
                send_timeout=send_timeout,
            )
        if settings.slack_token is not None:
            channels["slack"] = await stack.enter_async_context(
                slack.connect(
                    settings.slack_token.get_secret_value(),
                    base_url=settings.slack_base_url,
                    public_url=settings.public_url,
                    send_timeout=send_timeout,
                )
            )
        if settings.webhook_secret is not None:
            channels["webhook"] = await stack.enter_async_context(
                webhook.connect(
                    settings.webhook_secret.get_secret_value(),
                    allow_private=settings.webhook_allow_private,
                    public_url=settings.public_url,
                    send_timeout=send_timeout,
                )
            )
        yield channels
