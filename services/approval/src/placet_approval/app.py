"""The approval service, put together: the only place that knows settings and all parts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import httpx2
from prometheus_client import Gauge
from starlette.applications import Starlette

from placet_approval.admission import Admission, Limits
from placet_approval.api import schemas
from placet_approval.api.access import Access, Cookie, origin_of
from placet_approval.api.dispatch import Api
from placet_approval.api.services import Services
from placet_approval.api.throttle import Throttle
from placet_approval.archive import Archive
from placet_approval.consumer import HANDLERS
from placet_approval.deps import Deps
from placet_approval.domain import Approval as ApprovalState
from placet_approval.domain import Run
from placet_approval.handlers import (
    asking,
    decisions,
    holding,
    keys,
    moments,
    quarantine,
    reading,
    runs,
    sealing,
    sessions,
)
from placet_approval.handlers import retention as rules
from placet_approval.handlers.accounts import Enrolment
from placet_approval.handlers.insights import Surveys
from placet_approval.handlers.sessions import Lifetime
from placet_approval.handlers.uses import Uses
from placet_approval.inbox.sign_in import SignIn
from placet_approval.live import Live
from placet_approval.oidc import Client, Provider
from placet_approval.replicas import CHANNEL, Replicas
from placet_approval.routes import application
from placet_approval.settings import Settings
from placet_approval.store import approvals
from placet_approval.store import keys as key_store
from placet_approval.store import runs as run_store
from placet_approval.store import sessions as session_store
from placet_approval.waits import Waits
from placet_runtime import migrations, postgres
from placet_runtime.batching import Batcher
from placet_runtime.bus import Bus
from placet_runtime.consumer import Consumer
from placet_runtime.listener import listen
from placet_runtime.loops import Loops
from placet_runtime.operations import Gauges, Operations
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Pool
from placet_runtime.rabbit import RabbitBus
from placet_runtime.receipts import Signer
from placet_runtime.retention import QUARANTINE, Retention, Rule

PENDING = Gauge("placet_approvals_pending", "Approvals that wait for a decision")
OLDEST = Gauge("placet_approvals_oldest_pending_seconds", "Age of the approval that has waited longest")
UNSEALED = Gauge("placet_audit_unsealed_seconds", "Age of the oldest row of the audit that is not sealed")


@dataclass(frozen=True, slots=True)
class Approval:
    """A running approval service: the state that its routes need."""

    deps: Deps
    services: Services
    access: Access
    admission: Admission
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
            "admission": self.admission,
            "sign_in": self.sign_in,
            "public_url": self.public_url,
        }


@dataclass(frozen=True, slots=True)
class Pools:
    """Connections by what waits for them, so that a flood of one kind of work does not hold up another."""

    deciding: Pool  # who calls, decisions, and whether all is well
    reading: Pool
    rest: Pool  # starts, and what other services tell


@asynccontextmanager
async def connect(dsn: str, connections: int) -> AsyncIterator[Pools]:
    """Pools of that many connections together, three at least."""
    few = max(1, connections // 4)
    async with (
        postgres.connect(dsn, "approval", size=few) as deciding,
        postgres.connect(dsn, "approval", size=few) as reading,
        postgres.connect(dsn, "approval", size=max(1, connections - 2 * few)) as rest,
    ):
        yield Pools(deciding, reading, rest)


@asynccontextmanager
async def service(settings: Settings, bus: Bus, stopping: asyncio.Event) -> AsyncIterator[Approval]:
    """An approval service that runs until the context ends; then it drains."""
    dsn = settings.database_url.get_secret_value()
    if settings.migrate:
        await migrations.apply(dsn, "approval")
    loops = Loops()
    async with (
        connect(dsn, settings.database_connections) as pools,
        httpx2.AsyncClient(timeout=10, follow_redirects=False) as http,
    ):
        waits, live = Waits(stopping), Live(stopping)
        outbox = Outbox(pools.rest, bus)
        signer = Signer(settings.signing_key.get_secret_value())
        others = Replicas(pools.rest, partial(_wake, waits, live), live.missed)

        def changed(ids: Iterable[str | UUID]) -> None:
            moved = [str(id) for id in ids]
            _wake(waits, live, moved)
            others.tell(moved)

        used_keys = Uses[str](pools.rest, key_store.touch)
        used_sessions = Uses[UUID](pools.rest, session_store.touch)
        lifetime = Lifetime(settings.session_idle, settings.session_lifetime)

        write_uses = partial(_write_uses, used_keys, used_sessions)
        deps = Deps(pool=pools.reading, outbox=outbox, signer=signer, changed=changed, undo=settings.undo_seconds)
        deciding = replace(deps, outbox=outbox.over(pools.deciding))
        consumer = Consumer(bus, pools.rest, {event: partial(handle, deps) for event, handle in HANDLERS.items()})

        admission = Admission(
            Limits(settings.max_starts, settings.max_starts_bytes, settings.max_waiting_runs or None),
            partial(_count_waiting, pools.rest),
        )

        retention = Retention(
            pools.rest,
            "approval",
            [(_runs(settings), settings.retention_runs), (QUARANTINE, settings.retention_quarantine)],
            settings.retention_every,
        )

        await sealing.align(deps)
        gauges = Gauges(partial(_refresh, pools.reading))
        async with bus.open():
            loops.forever("relay", outbox.relay)
            loops.every("sweep", 1, outbox.sweep)
            loops.forever("acknowledge", consumer.keep_acknowledging)
            _look_after_quarantine(loops, deps, consumer)
            loops.every("count waiting", 0.5, admission.look)
            loops.forever("retention", retention.run)
            loops.every("uses", 20, write_uses)
            loops.every("ended sessions", 45, partial(_sweep_sessions, pools.rest))
            _keep_time(loops, deps)
            _talk(loops, dsn, others)
            _seal(loops, deps)
            async with loops.running():
                try:
                    yield Approval(
                        deps=deps,
                        services=Services(
                            deps=deps,
                            waits=waits,
                            live=live,
                            surveys=Surveys(pools.reading),
                            run=Batcher(partial(reading.get_runs, deps)),
                            approval=Batcher(partial(reading.get_approvals, deps)),
                            start=Batcher(partial(runs.start, deps)),
                            decide=Batcher(partial(decisions.decide, deciding)),
                        ),
                        access=Access(
                            keys=Batcher(partial(keys.identify, pools.deciding, used_keys)),
                            sessions=Batcher(partial(sessions.identify, pools.deciding, lifetime.idle)),
                            used=used_sessions.note,
                            cookie=Cookie(origin_of(settings.public_url)),
                            lifetime=lifetime,
                            throttle=Throttle(settings.failed_attempts),
                            admin_key=settings.admin_key.get_secret_value() if settings.admin_key else None,
                            max_body=settings.max_body,
                        ),
                        admission=admission,
                        operations=Operations(pools.deciding, bus, loops, gauges, needs_bus=False),
                        sign_in=SignIn(
                            name=settings.oidc_name, provider=_provider(settings, http), enrolment=_enrolment(settings)
                        ),
                        write_uses=write_uses,
                        public_url=settings.public_url.rstrip("/"),
                    )
                finally:
                    await bus.stop_receiving()
                    await outbox.flush()
                    await consumer.acknowledge()
                    with suppress(*postgres.UNAVAILABLE):
                        await sealing.seal(deps)
                        await sealing.tell(deps)


def _wake(waits: Waits, live: Live, ids: Iterable[str]) -> None:
    """Have those look again who wait here for what moved."""
    moved = list(ids)
    waits.changed(moved)
    live.changed(moved)


async def _count_waiting(pool: Pool, limit: int) -> int:
    async with pool.acquire() as conn:
        return await run_store.count_waiting(conn, limit)


def _keep_time(loops: Loops, deps: Deps) -> None:
    """Do to approvals what comes with time."""
    loops.every("expire", 0.5, partial(decisions.expire, deps))
    loops.every("remind", 0.5, partial(moments.pass_by, deps))
    loops.every("release", 0.5, partial(holding.release, deps))
    loops.every("sweep released", 45, partial(holding.sweep, deps))
    loops.forever("approvers", partial(asking.keep_aligned, deps))


def _talk(loops: Loops, dsn: str, others: Replicas) -> None:
    """Have this replica tell the others, and hear them."""
    loops.forever("tell replicas", others.relay)
    loops.every("count replicas", 5, others.look)
    loops.forever("hear replicas", partial(listen, dsn, "approval", CHANNEL, others.hear))


def _look_after_quarantine(loops: Loops, deps: Deps, consumer: Consumer) -> None:
    """Have messages taken in again that are to be, and show what there is."""
    loops.every("retry", 2, consumer.retry)
    loops.every("own quarantine", 1, partial(quarantine.follow_own, deps))
    loops.every("forget released", 50, partial(quarantine.forget, deps))


def _seal(loops: Loops, deps: Deps) -> None:
    """Have the audit's chain go on, and others told of its head."""
    loops.every("seal", 1, partial(sealing.seal, deps))
    loops.forever("head", partial(sealing.keep_telling, deps))


async def _write_uses(keys: Uses[str], sessions: Uses[UUID]) -> None:
    await keys.write()
    await sessions.write()


async def _sweep_sessions(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await session_store.sweep(conn)


async def _refresh(pool: Pool) -> None:
    async with pool.acquire() as conn:
        pending, oldest = await approvals.counts(conn)
        unsealed = await sealing.unsealed_seconds(conn)
    PENDING.set(pending)
    OLDEST.set(oldest)
    UNSEALED.set(unsealed)


def _runs(settings: Settings) -> Rule:
    """How runs are deleted: written to the archive before, where there is one."""
    if settings.retention_archive is None:
        return rules.RUNS
    archive = Archive(settings.retention_archive, _line)
    return replace(rules.RUNS, delete=partial(rules.delete_runs, archive=archive.write))


def _line(run: Run, approvals: Sequence[ApprovalState]) -> bytes:
    line = schemas.ArchivedRun(
        run=schemas.RunView.model_validate(run),
        approvals=[schemas.ApprovalView.model_validate(approval) for approval in approvals],
    )
    return line.model_dump_json(by_alias=True).encode()


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


def _enrolment(settings: Settings) -> Enrolment:
    return Enrolment(
        new=frozenset(settings.oidc_new_user_roles) if settings.oidc_new_users else None, groups=settings.oidc_groups
    )
