"""A hundred days of deciding that are made up: in a database, and in memory to count over."""

import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from kit.database import database
from placet_runtime import postgres
from placet_runtime.postgres import Connection, Pool

WORKFLOWS = ("refund", "deploy", "<wire>")
PEOPLE = {"ana": {"finance", "heads"}, "bo": {"finance"}, "cy": set[str](), "dee": {"heads"}}
ACTORS = ["user:ana", "user:bo", "user:cy", "user:dee", "key:ana-laptop", "email:bo@example.com", "key:robot"]
OWNERS = {"key:ana-laptop": "ana", "email:bo@example.com": "bo", **{f"user:{handle}": handle for handle in PEOPLE}}
GROUPS = ("finance", "heads", "nobody")

_UNDECIDED: list[tuple[str, str | None, str | None]] = [
    ("pending", None, None),
    ("cancelled", "run", "user:ana"),
    ("expired", "clock", "clock"),
    ("rejected", "clock", "clock"),
    ("approved", "rule", "rule:small@1"),
]


@dataclass(frozen=True)
class Given:
    """A decision: a vote, or a resolution without votes."""

    approval: "Fact"
    actor: str
    channel: str
    at: datetime
    is_vote: bool = True


@dataclass(frozen=True)
class Fact:
    """An approval that a test makes up."""

    id: UUID
    workflow: str
    status: str
    opened: datetime
    ended: datetime | None
    by: str | None
    channel: str | None
    asks: frozenset[str]


class World:
    """A database with approvals, votes and views that are made up, and the same in memory."""

    def __init__(self, conn: Connection, pool: Pool, now: datetime) -> None:
        self.conn = conn
        self.pool = pool
        self.now = now
        self.facts: list[Fact] = []
        self.given: list[Given] = []
        self.viewed: dict[tuple[UUID, str], datetime] = {}

    async def people(self) -> None:
        """Make everybody known."""
        for handle, groups in PEOPLE.items():
            id = uuid4()
            await self.conn.execute("INSERT INTO users VALUES ($1, $2, $3, '{approver}')", id, handle, handle.title())
            await self.conn.execute("INSERT INTO identities VALUES ('user:' || $1, 'user', $2)", handle, id)
            for group in groups:
                await self.conn.execute("INSERT INTO groups VALUES ($1) ON CONFLICT DO NOTHING", group)
                await self.conn.execute("INSERT INTO group_members VALUES ($1, $2)", group, id)
        await self.conn.execute(
            """
            INSERT INTO groups VALUES ('nobody');
            INSERT INTO identities SELECT 'email:bo@example.com', 'email', id FROM users WHERE handle = 'bo';
            INSERT INTO api_keys (id, name, role, hash) VALUES ('r', 'robot', 'approver', 'r');
            INSERT INTO api_keys (id, name, role, hash, owner)
            SELECT 'a', 'ana-laptop', 'approver', 'a', id FROM users WHERE handle = 'ana';
            """
        )

    async def happen(self, dice: random.Random, many: int) -> None:
        """Make up what happened in the last hundred days."""
        for _ in range(many):
            opened = self.now - timedelta(days=100 * dice.random() ** 2)
            ended = min(opened + timedelta(seconds=math.exp(14 * dice.random())), self.now - timedelta(seconds=1))
            decided = (dice.choice(["approved", "rejected"]), dice.choice(["api", "inbox", "slack"]), "")
            status, channel, by = dice.choice([*_UNDECIDED, *(12 * [decided])])
            fact = Fact(
                id=uuid4(),
                workflow=dice.choice(WORKFLOWS),
                status=status,
                opened=opened,
                ended=None if status == "pending" else max(ended, opened),
                by=dice.choice(ACTORS) if by == "" else by,
                channel=channel,
                asks=frozenset({"finance"} if status == "pending" and dice.random() < 0.5 else ()),
            )
            self.facts.append(fact)
            self.given += self._decide(dice, fact)
            if dice.random() < 0.5 and fact.ended is not None:
                who, at = dice.choice(list(PEOPLE)), fact.ended + timedelta(seconds=dice.uniform(-100, 1))
                self.viewed[fact.id, who] = at
        await self._write()

    def _decide(self, dice: random.Random, fact: Fact) -> list[Given]:
        """What was decided on an approval: votes on every third."""
        if dice.random() < 0.3 and fact.status != "cancelled" and fact.channel != "rule":
            until = fact.ended or self.now
            times = sorted(fact.opened + (until - fact.opened) * dice.random() for _ in range(dice.randrange(3)))
            votes = [Given(fact, actor, "inbox", at) for actor, at in zip(dice.sample(ACTORS, 3), times, strict=False)]
            if votes or fact.by not in ACTORS:
                return votes
        if fact.by is None or fact.ended is None or fact.channel is None or fact.channel in ("clock", "run", "rule"):
            return []
        return [Given(fact, fact.by, fact.channel, fact.ended, is_vote=False)]

    async def _write(self) -> None:
        ids = {row["handle"]: str(row["id"]) for row in await self.conn.fetch("SELECT handle, id FROM users")}
        await self.conn.execute("SET session_replication_role = replica")  # what has ended takes no votes
        await self.conn.executemany(
            """
            INSERT INTO approvals (id, run_id, workflow, version, gate, status, input, digest, notified, opened_at,
                                   resolved_at, resolved_by, channel)
            VALUES ($1::uuid, $1::uuid::text, $2, 1, 'g', $3, '1', 'd', false, $4, $5, $6, $7)
            """,
            [(f.id, f.workflow, f.status, f.opened, f.ended, f.by, f.channel) for f in self.facts],
        )
        votes = [given for given in self.given if given.is_vote]
        await self.conn.executemany(
            """
            INSERT INTO votes (approval_id, position, subject, actor, verdict, standing, channel, at)
            VALUES ($1, $2, $3, $3, 'approve', '[]', $4, $5)
            """,
            [(given.approval.id, n, given.actor, given.channel, given.at) for n, given in enumerate(votes)],
        )
        await self.conn.executemany(
            "INSERT INTO views VALUES ($1, $2, 'x', $3)",
            [(id, ids[who], at) for (id, who), at in self.viewed.items()],
        )
        await self.conn.executemany(
            "INSERT INTO approvers VALUES ($1, $2, NULL, $3)",
            [(f"group:{group}", f.opened, f.id) for f in self.facts for group in f.asks],
        )
        await self.conn.execute("ANALYZE")


@asynccontextmanager
async def past(postgres_url: str) -> AsyncIterator[World]:
    """A world in which nothing has happened, and whose people are known."""
    async with database(postgres_url) as dsn:
        conn = await asyncpg.connect(dsn, server_settings={"search_path": "approval", "timezone": "UTC"})
        async with postgres.connect(dsn, "approval", size=2) as pool:
            made = World(conn, pool, await conn.fetchval("SELECT now()"))
            await made.people()
            yield made
        await conn.close()
