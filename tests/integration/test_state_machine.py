"""Any order of starts, deliveries, decisions, crashes and pauses: what must hold, holds.

Hypothesis drives the real handlers on a real Postgres; the bus, the processes and the clock are simulated, and every
choice that they could make is a rule. See `kit.simulation`.
"""

import asyncio
import inspect
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from kit.simulation import audit
from kit.simulation.machine import Machine
from kit.simulation.world import World
from placet_approval.store import approvals
from placet_approval.store import runs as approval_runs
from placet_executor.handlers import intake, passes
from placet_executor.store import history
from placet_executor.store import runs as executor_runs
from placet_runtime import migrations, outbox, receipts

# What an exploration must have come across, to be worth anything: a short one, and a long one as well.
USUAL = (
    "claimed",
    "crash",
    "decision told AlreadyResolved",
    "entered",
    "overlap",
    "rest cancelled",
    "rest completed",
    "rest paused",
    "start refused by the API",
)
RARE = (
    "decided approved",
    "decided rejected",
    "decision told ContentChanged",
    "decision told NotFound",
    "forged",
    "overlap that waited",
    "race",
    "rest failed",
    "rest rejected",
    "stale write",
    "wipe",
)


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    """A migrated database for all tests here, with the audit log."""
    name = f"test_{uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))

    async def create() -> None:
        await execute(postgres_url, f"CREATE DATABASE {name}")
        await migrations.apply(url, "approval")
        await migrations.apply(url, "executor")
        await execute(url, audit.SCHEMA)

    asyncio.run(create())
    yield url
    asyncio.run(execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def machine(database: str) -> Iterator[type[Machine]]:
    """A machine in a world of its own."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("critical")
    )  # failures are the test's own doing
    with asyncio.Runner() as runner:
        opened = World.on(database)
        world = runner.run(opened.__aenter__())
        try:
            yield type("Machine", (Machine,), {"runner": runner, "world": world})
        finally:
            runner.run(opened.__aexit__(None, None, None))
            structlog.configure(**before)


async def execute(url: str, sql: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(sql)
    finally:
        await conn.close()


def explore(machine: type[Machine], *, examples: int, steps: int = 35, phases: Sequence[Phase] = tuple(Phase)) -> None:
    """Run a machine many times."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=phases,
            deadline=None,  # a database takes the time that it takes
            derandomize="CI" in os.environ,  # new finds belong to whoever looks for them, not to whoever comes next
            print_blob=True,
            suppress_health_check=list(HealthCheck),  # they count seconds, and most of those are Postgres's
        ),
    )


def test_whatever_happens(machine: type[Machine]) -> None:
    """Whatever happens in whatever order, all invariants hold."""
    explore(machine, examples=40)

    assert not missing(machine, USUAL)


@pytest.mark.slow
@pytest.mark.search
def test_whatever_happens_at_length(machine: type[Machine]) -> None:
    """The same, ten times as often, and longer."""
    explore(machine, examples=400, steps=60)

    assert not missing(machine, USUAL + RARE)


def missing(machine: type[Machine], wanted: Sequence[str]) -> list[str]:
    """What has not happened."""
    return [what for what in wanted if not machine.world.seen[what]]


@dataclass(frozen=True)
class Bug:
    """A mistake that somebody could make: another text in the source of a function."""

    where: ModuleType | type
    function: str
    text: str
    mistake: str
    without: str = ""  # a trigger that would refuse what the mistake leads to: it must be found without, too

    @contextmanager
    def planted(self, database: str) -> Iterator[None]:
        """Make it."""
        original = getattr(self.where, self.function)
        source = textwrap.dedent(inspect.getsource(original))
        assert self.text in source, f"{self.function} does not read like that any more: {self.text}"
        names: dict[str, Any] = {}
        exec(source.replace(self.text, self.mistake), vars(inspect.getmodule(original)), names)
        setattr(self.where, self.function, names[self.function])
        self._trigger(database, "DISABLE")
        try:
            yield
        finally:
            setattr(self.where, self.function, original)
            self._trigger(database, "ENABLE")

    def _trigger(self, database: str, word: str) -> None:
        if self.without:
            table, trigger = self.without.split(": ")
            asyncio.run(execute(database, f"ALTER TABLE {table} {word} TRIGGER {trigger}"))


FINAL = "approval.approvals: approvals_resolution_is_final"
BUGS = {
    "a stale pass ends its run": Bug(executor_runs, "end_passes", "AND r.fence = e.fence", ""),
    "a stale pass records a step": Bug(history, "add_steps", " AND held.fence = s.fence", ""),
    "the passes of one run are mixed up": Bug(
        passes, "end_passes", "key=lambda e: e[0].fence", "key=lambda e: -e[0].fence"
    ),
    "the last decision wins": Bug(approvals, "settle", " AND a.status = 'pending'", "", FINAL),
    "decide reads, then writes": Bug(
        approvals,
        "settle",
        "AND a.status = 'pending'",
        "AND EXISTS (SELECT FROM approvals AS seen WHERE seen.id = d.id AND seen.status = 'pending')",
        FINAL,
    ),
    "expiry comes after a decision": Bug(
        approvals, "expire", "WHERE status = 'pending' AND expires_at <= now()", "WHERE expires_at <= now()", FINAL
    ),
    "an ended run goes on asking": Bug(approvals, "cancel_of_runs", "a.status = 'pending'", "false"),
    "an approval opens after the end": Bug(
        approvals, "open_approvals", "WHERE cancelled_by IS NOT NULL OR ended_at IS NOT NULL", "WHERE false"
    ),
    "the event comes after the commit": Bug(
        outbox.Outbox,
        "transaction",
        "await _insert(conn, outgoing)",
        "asyncio.get_running_loop().create_task(_insert(self._pool, outgoing))",
    ),
    "nothing is sent again": Bug(outbox, "_claim_due", "next_send_at <= now()", "false"),
    "lost leases stay lost": Bug(executor_runs, "reap", "lease_until < now()", "false"),
    "any receipt will do": Bug(receipts.Verifier, "verify", "if resolution.fingerprint not in signed:", "if False:"),
    "a resolution of something else will do": Bug(history, "resolve_gates", " AND g.digest = s.digest", ""),
    "a rejected run goes on": Bug(history, "after_resolution", 'or on_reject == "resume"', "or True"),
    "old news are shown": Bug(approval_runs, "follow", "WHERE r.seq < excluded.seq", "WHERE true"),
    "a contradiction is taken for a repeat": Bug(intake, "_contradiction", "if digest != start.digest:", "if False:"),
}


@pytest.mark.slow
@pytest.mark.search
@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_bug_is_found(bug: Bug, machine: type[Machine], database: str) -> None:
    """The machine sees what it is there to see: with a bug planted, it fails. A rare one may need another search."""
    with bug.planted(database), pytest.raises((AssertionError, BaseExceptionGroup)):
        explore(machine, examples=500, phases=(Phase.generate,))
