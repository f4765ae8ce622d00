"""The audit of an approval service without its loops: what happens, and when it is sealed, is up to the test."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from kit.waiting import eventually
from placet_approval.deps import Deps
from placet_approval.domain import Decision, Finding, Verdict
from placet_approval.handlers import decisions, requests, sealing, verifying
from placet_approval.store import audit
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalRequested
from placet_runtime import migrations, postgres
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.outbox import Outbox
from placet_runtime.receipts import Signer, Verifier, generate_key, public_key


class Ledger:
    """One service's use cases, and a superuser's hands on its tables."""

    def __init__(self, deps: Deps, key: str, url: str) -> None:
        self.deps = deps
        self.key = key
        self.url = url

    async def open(self, count: int = 1, **more: Any) -> list[UUID]:
        """Open approvals, in one transaction."""
        ids = [uuid4() for _ in range(count)]
        asked = [
            ApprovalRequested(
                approval_id=id, run_id=f"run-{id}", workflow="w", version=1, gate="g", input=1, digest=f"d-{id}", **more
            )
            for id in ids
        ]
        now = datetime.now(UTC)
        await requests.on_approval_requested(
            self.deps, [CloudEvent(str(uuid4()), "placet/executor", request, now) for request in asked]
        )
        return ids

    async def decide(self, *ids: UUID, verdict: Verdict = "approve", comment: str | None = None) -> None:
        """Decide on approvals, in one transaction."""
        await decisions.decide(self.deps, [Decision(id, verdict, "key:ana", "api", comment) for id in ids])

    async def begin(self) -> None:
        """Have the audit begin now: in a copy of a database, it began when that one was made."""
        async with self.deps.pool.acquire() as conn, conn.transaction():
            await conn.execute("SET LOCAL session_replication_role = replica")  # the audit refuses changes
            await conn.execute("UPDATE audit SET at = clock_timestamp()")

    async def seal(self) -> str:
        """Put one seal over all there is; the seal. Others' transactions in the cluster may hold it up for a moment."""

        async def settled() -> bool:
            unsettled = await self.deps.pool.fetchval(f"SELECT count(*) FROM audit WHERE position >= {audit.HORIZON}")
            return bool(unsettled == 0)

        await eventually(settled)
        await sealing.seal(self.deps)
        head = (await sealing.get_head(self.deps)).seal
        assert head is not None
        return head

    async def entries(self) -> list[dict[str, Any]]:
        """All entries, in the order of their rows, without the one that says when the audit began."""
        rows = await self.deps.pool.fetch(
            "SELECT e.entry FROM audit AS a, json_array_elements(a.entries) AS e (entry) ORDER BY a.id"
        )
        found: list[dict[str, Any]] = [json.loads(row["entry"]) for row in rows]
        return [entry for entry in found if entry["kind"] != "began"]

    async def verify(self, *heads: str, grace: float = 60, key: str | None = None) -> list[Finding]:
        """What the verifier finds."""
        verifier = Verifier(public_key(key or self.key))
        async with self.deps.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            report = verifying.Report()
            return [each async for each in verifying.verify(conn, verifier, heads, timedelta(seconds=grace), report)]

    async def tamper(self, *statements: str) -> None:
        """Change the tables as somebody with all rights does: past every trigger."""
        conn = await asyncpg.connect(self.url, server_settings={"search_path": "approval"})
        try:
            await conn.execute("SET session_replication_role = replica")
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()


@asynccontextmanager
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    """A ledger on an empty database."""
    await migrations.apply(database_url, "approval")
    async with postgres.connect(database_url, "approval", size=4) as pool:
        bus = LocalBus(LocalBroker(), "approval")
        key = generate_key()
        deps = Deps(pool=pool, outbox=Outbox(pool, bus), signer=Signer(key), changed=lambda ids: None)
        yield Ledger(deps, key, database_url)


def problems(findings: Sequence[Finding]) -> set[str]:
    """What kinds of findings there are."""
    return {finding.problem for finding in findings}
