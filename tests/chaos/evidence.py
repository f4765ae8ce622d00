"""What a test run has left behind, gathered for the checks."""

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from chaos import ledger, messages
from chaos.client import Memory
from chaos.faults import Effect
from chaos.ledger import Line
from chaos.schedule import Planned
from chaos.stack import Stack
from kit.simulation.audit import Entry
from placet_runtime.receipts import public_key

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was brought about; times are in seconds since the epoch."""

    planned: Planned
    effect: Effect
    began: float
    ended: float
    recovery: float | None  # seconds from its end until a whole cycle went through; None: that did not come


@dataclass(slots=True)
class Evidence:
    """Rows of the services' tables by id, and what was seen from outside."""

    memory: Memory
    injected: Sequence[Injected]
    aged: Sequence[str]  # runs whose rows are years old
    unserved: Sequence[str]  # runs that nobody serves
    parked: Sequence[str]  # of those, the ones that the API shows as parked
    notifier_down: tuple[float, float]  # monotonic, from when until when nobody notified
    rested: float | None  # seconds from the end of the last fault until everything was at rest
    asked: set[str] = field(default_factory=set)  # every run id that anybody has asked for
    replayed: int = 0
    moved: Sequence[str] = ()  # what changed when every message came again
    guarded: tuple[int, int] = (0, 0)  # updates of what is final that were tried, and refused
    audited: tuple[int, list[str]] = (0, [])  # rows of the audit that were verified, and what was found wrong
    runs: dict[str, Row] = field(default_factory=dict)
    shown: dict[str, Row] = field(default_factory=dict)  # runs in the approval service's view
    approvals: dict[str, Row] = field(default_factory=dict)
    gates: dict[str, Row] = field(default_factory=dict)  # by approval id
    deliveries: dict[str, Row] = field(default_factory=dict)
    steps: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # JSON by run and name
    quarantined: list[Row] = field(default_factory=list)
    moves: list[Row] = field(default_factory=list)  # of runs, and which process has made them
    outboxes: int = 0  # rows
    entries: list[Entry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    attempts: Mapping[str, Counter[str]] = field(default_factory=dict)
    dead_letters: int = 0

    async def gather(self, stack: Stack) -> None:
        """Read everything, once nothing moves any more."""
        self.runs = await _by_id(stack, "SELECT * FROM executor.runs")
        self.shown = await _by_id(stack, "SELECT * FROM approval.runs")
        self.approvals = await _by_id(stack, "SELECT * FROM approval.approvals")
        self.gates = await _by_id(stack, "SELECT approval_id AS id, * FROM executor.gates")
        self.deliveries = await _by_id(stack, "SELECT * FROM notifier.deliveries")
        for row in await stack.fetch("SELECT run_id, name, result FROM executor.steps"):
            self.steps[row["run_id"]][row["name"]] = row["result"]
        for service in ("executor", "approval", "notifier"):
            self.quarantined += await stack.fetch(
                f"SELECT '{service}' AS service, type, reason FROM {service}.quarantine"
            )
            self.outboxes += (await stack.fetch(f"SELECT count(*) FROM {service}.outbox"))[0]["count"]
        self.entries = [Entry(**row) for row in await stack.fetch("SELECT * FROM audit.log ORDER BY n")]
        self.moves = await stack.fetch("SELECT * FROM audit.moves ORDER BY n")
        self.lines = list(ledger.read(stack.ledger))
        self.attempts = stack.far_end.attempts()
        self.dead_letters = messages.dead(await messages.depths(stack))

    def wipes(self) -> list[tuple[float, float]]:
        """When the broker forgot what it had been given."""
        forgetful = ("wipe", "queue deleted")
        return [(i.began, i.ended) for i in self.injected if i.planned.variant in forgetful]


async def tamper(stack: Stack) -> tuple[int, int]:
    """Try to change what is final, as a bug might: how often, and how often the database refused."""
    tried = refused = 0
    async with stack.database() as conn:
        for table, id, change, final in (
            ("approval.approvals", "id", "status = 'rejected'", "status = 'approved'"),
            ("approval.approvals", "id", "resolved_by = 'mallory'", "status = 'rejected'"),
            ("executor.gates", "approval_id", "outcome = 'approved'", "outcome = 'rejected'"),
            ("executor.runs", "id", "status = 'completed'", "status = 'rejected'"),
        ):
            for row in await conn.fetch(f"SELECT {id} AS id FROM {table} WHERE {final} LIMIT 5"):
                tried += 1
                transaction = conn.transaction()
                await transaction.start()
                try:
                    await conn.execute(f"UPDATE {table} SET {change} WHERE {id} = $1", row["id"])
                except asyncpg.IntegrityConstraintViolationError:
                    refused += 1
                finally:
                    await transaction.rollback()
    return tried, refused


async def audit(stack: Stack) -> tuple[int, list[str]]:
    """Have the audit verified as an auditor would: how many rows, and what was found."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "placet.cli", "audit", "verify", "--json"),
        env={
            **os.environ,
            "PLACET_DATABASE_URL": stack.database_url,
            "PLACET_VERIFY_KEYS": public_key(stack.signing_key),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    *findings, facts = [json.loads(line) for line in out.splitlines()] or [{}]
    wrong = [str(finding) for finding in findings]
    if process.returncode != 0 and not wrong:
        wrong.append(f"`placet audit verify` ended with {process.returncode}")
    return int(facts.get("rows", 0)), wrong


async def snapshot(stack: Stack) -> set[str]:
    """All that must not change when old messages come again."""
    tables = (
        *("executor.runs", "executor.steps", "executor.gates", "executor.notifications"),
        *("approval.runs", "approval.approvals", "approval.deliveries", "notifier.deliveries"),
    )
    return {
        f"{table}: {row['row']}"
        for table in tables
        for row in await stack.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table} AS t")
    }


async def _by_id(stack: Stack, sql: str) -> dict[str, Row]:
    return {str(row["id"]): row for row in await stack.fetch(sql)}
