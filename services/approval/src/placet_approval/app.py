"""The approval service, put together: the only place that knows settings and all parts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import httpx2
from prometheus_client import Gauge
from starlette.applications import Starlette

from placet_approval.api.access import Access, Cookie, origin_of
from placet_approval.api.dispatch import Api
from placet_approval.api.routes import application
from placet_approval.api.services import Services
from placet_approval.api.sign_in import SignIn
from placet_approval.api.throttle import Throttle
from placet_approval.consumer import HANDLERS
from placet_approval.deps import Deps
from placet_approval.handlers import decisions, keys, moments, reading, runs, sessions
from placet_approval.handlers.accounts import Admission
from placet_approval.handlers.sessions import Lifetime
from placet_approval.handlers.uses import Uses
from placet_approval.oidc import Client, Provider
from placet_approval.settings import Settings
from placet_approval.store import approvals
from placet_approval.store import keys as key_store
from placet_approval.store import sessions as session_store
from placet_approval.waits import Waits
from placet_runtime import migrations, postgres
from placet_runtime.batching import Batcher
from placet_runtime.bus import Bus
from placet_runtime.consumer import Consumer
from placet_runtime.loops import Loops
from placet_runtime.operations import Operations
from placet_runtime.outbox import Outbox
from placet_runtime.rabbit import RabbitBus
from placet_runtime.receipts import Signer

PENDING = Gauge("placet_approvals_pending", "Approvals that wait for a decision")
OLDEST = Gauge("placet_approvals_oldest_pending_seconds", "Age of the approval that has waited longest")


@dataclass(frozen=True, slots=True)
class Approval:
    """A running approval service: the state that its routes need."""

    deps: Deps
    services: Services
    access: Access
    operations: Operations
    sign_in: SignIn
    write_uses: Callable[[], Awaitable[None]]  # of keys and sessions, as is done a few times a minute
    public_url: str

    @property
    def state(self) -> dict[str, object]:
        """What a lifespan yields for the routes."""
        return {
            "services": self.services,
            "access": self.access,
            "sign_in": self.sign_in,
            "public_url": self.public_url,
        }


@asynccontextmanager
async def service(settings: Settings, bus: Bus, stopping: asyncio.Event) -> AsyncIterator[Approval]:
    """An approval service that runs until the context ends; then it drains."""
    dsn = settings.database_url.get_secret_value()
    if settings.migrate:
        await migrations.apply(dsn, "approval")
    loops = Loops()
    async with (
        postgres.connect(dsn, "approval", size=settings.database_connections) as pool,
        httpx2.AsyncClient(timeout=10, follow_redirects=False) as http,
    ):
        waits = Waits(stopping)
        outbox = Outbox(pool, bus)
        signer = Signer(settings.signing_key.get_secret_value())
        deps = Deps(pool=pool, outbox=outbox, signer=signer, changed=waits.changed)
        consumer = Consumer(bus, pool, {event: partial(handle, deps) for event, handle in HANDLERS.items()})

        used_keys = Uses[str](pool, key_store.touch)
        used_sessions = Uses[UUID](pool, session_store.touch)
        lifetime = Lifetime(settings.session_idle, settings.session_lifetime)

        async def write_uses() -> None:
            await used_keys.write()
            await used_sessions.write()

        async def ended_sessions() -> None:
            async with pool.acquire() as conn:
                await session_store.sweep(conn)

        async def refresh() -> None:
            async with pool.acquire() as conn:
                pending, oldest = await approvals.counts(conn)
            PENDING.set(pending)
            OLDEST.set(oldest)

        async with bus.open():
            loops.forever("relay", outbox.relay)
            loops.every("sweep", 1, outbox.sweep)
            loops.forever("acknowledge", consumer.keep_acknowledging)
            loops.every("retry", 2, consumer.retry)
            loops.every("expire", 0.5, partial(decisions.expire, deps))
            loops.every("remind", 0.5, partial(moments.pass_by, deps))
            loops.every("uses", 20, write_uses)
            loops.every("ended sessions", 45, ended_sessions)
            async with loops.running():
                try:
                    yield Approval(
                        deps=deps,
                        services=Services(
                            deps=deps,
                            waits=waits,
                            run=Batcher(partial(reading.get_runs, deps)),
                            approval=Batcher(partial(reading.get_approvals, deps)),
                            start=Batcher(partial(runs.start, deps)),
                            decide=Batcher(partial(decisions.decide, deps)),
                        ),
                        access=Access(
                            keys=Batcher(partial(keys.identify, pool, used_keys)),
                            sessions=Batcher(partial(sessions.identify, pool, used_sessions, lifetime.idle)),
                            cookie=Cookie(origin_of(settings.public_url)),
                            lifetime=lifetime,
                            throttle=Throttle(settings.failed_attempts),
                            admin_key=settings.admin_key.get_secret_value() if settings.admin_key else None,
                            max_body=settings.max_body,
                        ),
                        operations=Operations(pool, bus, loops, refresh, needs_bus=False),
                        sign_in=SignIn(
                            name=settings.oidc_name, provider=_provider(settings, http), admission=_admission(settings)
                        ),
                        write_uses=write_uses,
                        public_url=settings.public_url.rstrip("/"),
                    )
                finally:
                    await bus.stop_receiving()
                    await outbox.flush()
                    await consumer.acknowledge()


def build(settings: Settings, stopping: asyncio.Event) -> Api:
    """The approval service as an ASGI app on RabbitMQ."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        bus = RabbitBus(settings.amqp_url.get_secret_value(), "approval", namespace=settings.namespace)
        async with service(settings, bus, stopping) as approval:
            yield approval.state | {"operations": [approval.operations]}

    return application(lifespan)


def _provider(settings: Settings, http: httpx2.AsyncClient) -> Provider | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    client = Client(
        issuer=settings.oidc_issuer,
        id=settings.oidc_client_id,
        secret=settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None,
        redirect_uri=f"{settings.public_url.rstrip('/')}/sign-in/callback",
        scope=settings.oidc_scope,
        groups_claim=settings.oidc_groups_claim,
    )
    return Provider(http, client)


def _admission(settings: Settings) -> Admission:
    return Admission(
        new=frozenset(settings.oidc_new_user_roles) if settings.oidc_new_users else None, groups=settings.oidc_groups
    )
