"""Sealing the audit: a loop chains what has been committed since, many rows at a time."""

import asyncio
from datetime import UTC, datetime

import structlog
from prometheus_client import Counter

from placet_approval.chain import FIRST, GENESIS, TYPE, Head, Row, Seal, Sealed, fingerprint, pack
from placet_approval.deps import Deps
from placet_approval.store import audit
from placet_runtime.postgres import Connection
from placet_runtime.receipts import Signer, unverified

log = structlog.get_logger()

SEALED = Counter("placet_audit_sealed_total", "Rows of the audit that were sealed")

_BATCH = 500
_TELL_EVERY = 300  # seconds


async def seal(deps: Deps) -> None:
    """Seal what is there. Of several replicas one does it at a time, and the others have nothing to do."""
    full = True
    while full:
        async with deps.pool.acquire() as conn, conn.transaction():
            if not await audit.lock(conn):
                return
            last = await audit.head(conn)
            rows = await audit.settled(conn, _through(last), _BATCH)
            if rows:
                await audit.add(conn, _next(last, rows, deps.signer))
        SEALED.inc(len(rows))
        full = len(rows) == _BATCH


async def align(deps: Deps) -> None:
    """Before anything is written: see that new rows come behind those that are there."""
    async with deps.pool.acquire() as conn, conn.transaction():
        await audit.align(conn)


async def tell(deps: Deps) -> None:
    """Log the head, so that it is kept where the database's administrators do not reach."""
    end = await get_head(deps)
    log.info("audit.head", seq=end.seq, hash=end.hash, seal=end.seal)


async def keep_telling(deps: Deps) -> None:
    """Log the head at intervals, for ever."""
    while True:
        await tell(deps)
        await asyncio.sleep(_TELL_EVERY)


async def get_head(deps: Deps) -> Head:
    """Where the chain ends."""
    async with deps.pool.acquire() as conn:
        return await head(conn)


async def head(conn: Connection) -> Head:
    """Where the chain ends."""
    last = await audit.head(conn)
    if last is None:
        return Head(0, GENESIS, None, None)
    payload = unverified(last.seal)
    return Head(last.seq, fingerprint(payload), Seal.model_validate_json(payload).at, last.seal)


async def unsealed_seconds(conn: Connection) -> float:
    """For how long the oldest row has waited to be sealed."""
    return await audit.waited(conn, _through(await audit.head(conn)))


def _next(last: Sealed | None, rows: list[Row], signer: Signer) -> Sealed:
    """The link that covers these rows."""
    packed = pack(rows)
    seal = Seal(
        seq=1 if last is None else last.seq + 1,
        previous=GENESIS if last is None else fingerprint(unverified(last.seal)),
        position=rows[-1].position,
        id=rows[-1].id,
        count=len(rows),
        rows=fingerprint(packed),
        at=datetime.now(UTC),
    )
    return Sealed(seal.seq, packed, signer.statement(TYPE, seal.model_dump_json(by_alias=True).encode()))


def _through(last: Sealed | None) -> tuple[int, int]:
    return FIRST if last is None else Seal.model_validate_json(unverified(last.seal)).through
