"""Connections to Postgres: bounded in time, in the service's own schema, and durable or refused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from placet_runtime.hosts import Hosts, takes_writes

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
else:  # the stubs alone are generic
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection

# What says that the database is away or busy, and nothing about the work that was asked for.
UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # No host takes writes; or the server is about to close a connection, and has told so while it was idle.
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # of a server that was the primary, or is not yet
    OSError,
    TimeoutError,
)

_CLOSE_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30  # seconds, after which we give up on a statement
# Postgres answers a commit that waits for a standby with success when its time is up: that must not be heard.
_SERVER_PATIENCE = 4  # times as long


class NotDurable(RuntimeError):
    """Raised when the server would acknowledge a commit that a crash can undo."""

    def __init__(self, setting: str, value: str) -> None:
        super().__init__(
            f"Postgres has {setting} = {value}: an acknowledged decision could be lost. Set {setting} = on."
        )


def session_settings(schema: str, application: str) -> dict[str, str]:
    """Per-session settings that bound every statement, lock and idle transaction."""
    return {
        "application_name": application,
        "search_path": schema,
        "statement_timeout": f"{_SERVER_PATIENCE * COMMAND_TIMEOUT}s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "30s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "timezone": "UTC",
        # Every statement has its index. A plan that was made while a table was small must not scan it once it is large.
        "enable_seqscan": "off",
        "jit": "off",
        # Planning takes longer than most statements, and knowing the values would not change their plans.
        "plan_cache_mode": "force_generic_plan",
    }


@asynccontextmanager
async def connect(dsn: str, schema: str, *, size: int) -> AsyncIterator[Pool]:
    """A pool of up to ``size`` connections in a schema, to whichever host of the DSN takes writes.

    It is closed within seconds, whatever the server does.

    Raises:
        NotDurable: ``fsync`` or ``synchronous_commit`` is off.
    """
    hosts = Hosts(dsn)

    async def reset(conn: Connection) -> None:
        """No statement of ours leaves a trace in its session, so a connection goes back without a round trip."""
        if not takes_writes(conn):  # nor do the others, then
            await pool.expire_connections()
            conn.terminate()

    async def connect_to_one(*_: object, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
        return await hosts.connect(**options)

    pool = await asyncpg.create_pool(
        connect=connect_to_one,
        min_size=1,
        max_size=size,
        command_timeout=COMMAND_TIMEOUT,
        server_settings=session_settings(schema, f"placet {schema}"),
        reset=reset,
    )
    try:
        await _require_durability(pool)
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), _CLOSE_TIMEOUT)
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def planned_for_values(pool: Pool) -> AsyncIterator[Connection]:
    """A connection whose statements are planned for their values: what many rows have is found otherwise."""
    async with pool.acquire(timeout=10) as conn, conn.transaction(readonly=True):
        await conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        yield conn


@asynccontextmanager
async def surveying(pool: Pool, seconds: float) -> AsyncIterator[Connection]:
    """One snapshot, and a connection whose statements may go through many rows: on one core, in bounded memory, each in
    that time at most."""
    async with pool.acquire(timeout=10) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute(
            f"""
            SET LOCAL statement_timeout = {int(seconds * 1000)};
            SET LOCAL plan_cache_mode = force_custom_plan;
            SET LOCAL enable_seqscan = on;
            SET LOCAL max_parallel_workers_per_gather = 0;
            SET LOCAL work_mem = '32MB';
            """
        )
        yield conn


async def _require_durability(pool: Pool) -> None:
    for setting in ("fsync", "synchronous_commit"):
        value = await pool.fetchval(f"SHOW {setting}")
        if value == "off":
            raise NotDurable(setting, value)


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into the column arrays that ``unnest`` takes; ``width`` columns even where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
