"""Counts what cycles cost in statements, commits and messages, whatever else goes on at the same time."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from asyncpg import Connection
from asyncpg.transaction import Transaction

from placet_contracts.events import WorkflowsServed
from placet_runtime.local import LocalBus
from placet_runtime.rabbit import RabbitBus

# What loops do by the clock: they find nothing here, or, as the sealing of the audit, do it once a second for all.
_BY_THE_CLOCK = re.compile(
    r"SKIP LOCKED|last_used_at = now|seen_at = now|\bworkers\b|INTO served|\bquarantine\b|DELETE FROM outbox"
    r"|audit_s(?:eals|hift)|pg_try_advisory_xact_lock|typeinfo|pg_type|set_config|^SHOW|^SELECT 1$"
)


@dataclass
class Costs:
    """What was counted. A statement is named by its verb and the first table in it, such as ``UPDATE approvals``."""

    statements: Counter[str] = field(default_factory=Counter)
    commits: int = 0  # of transactions that wrote something
    messages: Counter[str] = field(default_factory=Counter)  # by event type; each has one confirm
    acks: int = 0

    @property
    def writes(self) -> Counter[str]:
        """The statements that are more than reads."""
        return Counter({name: count for name, count in self.statements.items() if not name.startswith("SELECT")})


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[Costs]:
    """Count what every service of this process does."""
    costs = Costs()
    written: set[int] = set()  # connections, by identity, whose transaction has written something
    execute, commit = Connection._do_execute, Transaction._Transaction__commit  # type: ignore[attr-defined]

    async def counting_execute(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        if not _BY_THE_CLOCK.search(query):
            costs.statements[name := _name(query)] += 1
            if not name.startswith("SELECT"):
                if self.is_in_transaction():
                    written.add(id(self))
                else:
                    costs.commits += 1
        return await execute(self, query, *args, **kwargs)

    async def counting_commit(self: Any) -> None:
        costs.commits += id(self._connection) in written
        written.discard(id(self._connection))
        await commit(self)

    with patch.context() as patched:
        patched.setattr(Connection, "_do_execute", counting_execute)
        patched.setattr(Transaction, "_Transaction__commit", counting_commit)
        for bus in (RabbitBus, LocalBus):
            patched.setattr(bus, "publish", _counting_publish(bus.publish, costs))
            patched.setattr(bus, "acknowledge", _counting_acknowledge(bus.acknowledge, costs))
        yield costs


def _counting_publish(publish: Any, costs: Costs) -> Any:
    async def count(self: Any, type: str, body: bytes) -> None:
        if type != WorkflowsServed.type:  # which is told by the clock
            costs.messages[type] += 1
        await publish(self, type, body)

    return count


def _counting_acknowledge(acknowledge: Any, costs: Costs) -> Any:
    async def count(self: Any, producer: Any, rows: Any) -> None:
        costs.acks += 1
        await acknowledge(self, producer, rows)

    return count


def _name(query: str) -> str:
    writing = re.findall(r"\b(INSERT) INTO (\w+)|\b(UPDATE) (\w+) AS", query)
    if not writing:
        found = re.search(r"\bFROM (\w+)", query)
        return f"SELECT {found[1] if found else query}"
    return ", ".join(" ".join(filter(None, each)) for each in writing)
