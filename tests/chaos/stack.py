"""A deployment of real processes, each behind proxies of its own, on a Postgres and a RabbitMQ of its own."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from chaos.far_end import FarEnd, far_end
from chaos.replica import Replica
from kit.nodes import PostgresNode, RabbitNode, free_ports
from kit.proxy import Proxy, proxy
from kit.simulation import audit
from placet_approval.handlers import keys
from placet_contracts.topology import SERVICES, Service
from placet_runtime import migrations
from placet_runtime.postgres import UNAVAILABLE, session_settings
from placet_runtime.receipts import generate_key, public_key

NAMESPACE = "chaos"
LEASE = 3.0  # seconds
# What each process's clock is ahead of the machine's, in seconds.
SKEW: Mapping[str, float] = {
    "approval-0": 300,
    "approval-1": -300,
    "executor-0": -3600,
    "executor-1": 3600,
    "notifier-0": 300,
}
DECIDERS = 4
_ANSWERS_WITHIN = 60.0  # seconds
_AGAIN_AFTER = 0.1
REPLICAS: Mapping[Service, int] = {"approval": 2, "executor": 2, "notifier": 1}

# Every message that ever was, for replays; and which process has moved a run: each has a role of its own.
_SCHEMA = """
CREATE TABLE audit.moves (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id text, fence bigint, was text, status text,
    lost integer, -- leases
    by text DEFAULT session_user
);

CREATE FUNCTION audit.move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.moves (run_id, fence, was, status, lost)
    VALUES (NEW.id, NEW.fence, OLD.status, NEW.status, NEW.lost_leases - coalesce(OLD.lost_leases, 0));
    RETURN NULL;
END $$;
CREATE TRIGGER moves_insert AFTER INSERT ON executor.runs FOR EACH ROW EXECUTE FUNCTION audit.move();
CREATE TRIGGER moves_update AFTER UPDATE ON executor.runs FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION audit.move();

CREATE TABLE audit.messages (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text, source text, events text);

CREATE FUNCTION audit.message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.messages (type, source, events) VALUES (NEW.type, TG_TABLE_SCHEMA, NEW.events);
    RETURN NULL;
END $$;
CREATE TRIGGER messages AFTER INSERT ON executor.outbox FOR EACH ROW EXECUTE FUNCTION audit.message();
CREATE TRIGGER messages AFTER INSERT ON approval.outbox FOR EACH ROW EXECUTE FUNCTION audit.message();
CREATE TRIGGER messages AFTER INSERT ON notifier.outbox FOR EACH ROW EXECUTE FUNCTION audit.message();
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """A Postgres and a RabbitMQ, and the addresses of all of their nodes, past all faults.

    Services reach them by proxies of their own, or else by the same addresses.
    """

    postgres: PostgresNode
    rabbitmq: RabbitNode
    database_url: str
    amqp_url: str
    proxied: bool = True


@dataclass
class Stack:
    """What runs, and how a test reaches it past all faults."""

    servers: "Servers"
    replicas: Sequence[Replica]
    far_end: FarEnd
    ledger: Path
    starter: str  # an API key
    deciders: Mapping[str, str]  # API keys, by actor
    signing_key: str  # of the approval services
    busy: Mapping[str, asyncio.Lock] = field(
        default_factory=lambda: {server: asyncio.Lock() for server in ("postgres", "rabbitmq")}
    )

    @property
    def postgres(self) -> PostgresNode:
        return self.servers.postgres

    @property
    def rabbitmq(self) -> RabbitNode:
        return self.servers.rabbitmq

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    def of(self, *services: Service) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service in services]

    @property
    def urls(self) -> list[str]:
        """Where the API answers."""
        return [replica.url for replica in self.of("approval")]

    async def ready(self) -> None:
        """Wait until every process says that it is ready."""
        await asyncio.gather(*(replica.ready() for replica in self.replicas))

    @asynccontextmanager
    async def database(self, schema: str = "public") -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection past the proxies."""
        conn = await asyncpg.connect(
            self.database_url, timeout=10, server_settings={"search_path": schema, "timezone": "UTC"}
        )
        try:
            yield conn
        finally:
            conn.terminate()

    async def fetch(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """What tables hold, as soon as Postgres answers; they are named with their schemas."""
        async with asyncio.timeout(_ANSWERS_WITHIN):
            while True:
                try:
                    async with self.database() as conn:
                        return [dict(row) for row in await conn.fetch(sql, *values)]
                except UNAVAILABLE:
                    await asyncio.sleep(_AGAIN_AFTER)


@asynccontextmanager
async def one_of_each(folder: Path) -> AsyncIterator[Servers]:
    """One Postgres, one RabbitMQ."""
    postgres, rabbitmq = PostgresNode(folder / "postgres"), RabbitNode(folder / "rabbitmq")
    try:
        await asyncio.gather(postgres.start(), asyncio.to_thread(rabbitmq.start))
        yield Servers(postgres, rabbitmq, postgres.url.replace("/postgres", "/placet"), rabbitmq.url)
    finally:
        postgres.kill()
        rabbitmq.kill()


@asynccontextmanager
async def running(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    servers: Callable[[Path], AbstractAsyncContextManager[Servers]] = one_of_each,
) -> AsyncIterator[Stack]:
    """A deployment whose processes are ready; ``environment`` is added to that of each. ``folder`` gets its logs."""
    async with AsyncExitStack() as stack:
        made = await _prepare(
            await stack.enter_async_context(servers(folder)), await stack.enter_async_context(far_end()), folder
        )
        for service in SERVICES:
            for number in range(REPLICAS[service]):
                replica = await _replica(stack, made, service, number, folder, environment or {})
                await stack.enter_async_context(replica.running())
        await made.ready()
        yield made


async def _prepare(servers: Servers, far: FarEnd, folder: Path) -> Stack:
    """A database with every schema, with what audits it, and with keys for callers."""
    conn = await asyncpg.connect(servers.postgres.url)
    await conn.execute("CREATE DATABASE placet")
    await conn.close()
    database_url = servers.database_url
    for service in SERVICES:
        await migrations.apply(database_url, service)
    conn = await asyncpg.connect(database_url, server_settings=session_settings("approval", "placet chaos"))
    await conn.execute(audit.SCHEMA + _SCHEMA)
    for service, count in REPLICAS.items():
        for number in range(count):
            await conn.execute(f'CREATE ROLE "{service}-{number}" LOGIN SUPERUSER')
    starter = await keys.create(conn, "client", "starter")
    deciders = {f"key:{name}": await keys.create(conn, name, "approver") for name in _names()}
    await conn.close()
    return Stack(servers, [], far, folder / "ledger", starter, deciders, generate_key())


def _names() -> list[str]:
    return [f"decider-{number}" for number in range(DECIDERS)]


async def _replica(
    stack: AsyncExitStack,
    made: Stack,
    service: Service,
    number: int,
    folder: Path,
    more: Mapping[str, str],
) -> Replica:
    database_url, amqp_url = made.database_url, made.servers.amqp_url
    proxies: dict[str, Proxy] = {}
    if made.servers.proxied:
        proxies["postgres"] = await stack.enter_async_context(proxy("127.0.0.1", made.postgres.port))
        proxies["rabbitmq"] = await stack.enter_async_context(proxy("127.0.0.1", made.rabbitmq.port))
        database_url = f"postgresql://placet@127.0.0.1:{proxies['postgres'].port}/placet"
        amqp_url = f"amqp://guest:guest@127.0.0.1:{proxies['rabbitmq'].port}/"
    [port] = free_ports(1)
    own = {
        "approval": {"PLACET_SIGNING_KEY": made.signing_key, "PLACET_ADMIN_KEY": secrets.token_urlsafe(24)},
        "executor": {
            "PLACET_APP": "chaos.workflows:app",
            "PLACET_VERIFY_KEYS": public_key(made.signing_key),
            "PLACET_LEASE": str(LEASE),
            "PLACET_RETRY_BACKOFF": "0.1",
            "CHAOS_LEDGER": str(made.ledger),
            "CHAOS_WEBHOOK": made.far_end.hook_url,
        },
        "notifier": {
            "PLACET_SMTP_URL": made.far_end.smtp_url,
            "PLACET_SLACK_TOKEN": "xoxb-chaos",
            "PLACET_SLACK_BASE_URL": made.far_end.slack_url,
            "PLACET_WEBHOOK_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
            "PLACET_WEBHOOK_ALLOW_PRIVATE": "true",
            "PLACET_DELIVERY_BACKOFF": "0.3",
            "PLACET_DELIVERY_TIMEOUT": "3",
            "PLACET_DELIVERY_TRIES": "100",
        },
    }[service]
    environment = {
        "PLACET_DATABASE_URL": database_url.replace("//placet@", f"//{service}-{number}@"),
        "PLACET_AMQP_URL": amqp_url,
        "PLACET_NAMESPACE": NAMESPACE,
        "PLACET_HOST": "127.0.0.1",
        "PLACET_PORT": str(port),
        "CHAOS_SKEW": str(SKEW[f"{service}-{number}"]),
        **own,
        **more,
    }
    replica = Replica(service, number, port, [service], environment, proxies, folder / f"{service}-{number}.log")
    made.replicas = [*made.replicas, replica]
    return replica
