"""What insights say is what a plain count over all that happened says."""

import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from kit.database import database
from placet_approval.domain import NotFound, TooMuchToRead
from placet_approval.handlers import insights
from placet_approval.handlers.insights import RANGES, Asked, Surveys
from placet_approval.store.insights import AGES
from placet_runtime import migrations, postgres
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


@pytest.fixture
async def world(postgres_url: str) -> AsyncIterator[World]:
    async with database(postgres_url) as dsn:
        await migrations.apply(dsn, "approval")
        conn = await asyncpg.connect(dsn, server_settings={"search_path": "approval", "timezone": "UTC"})
        async with postgres.connect(dsn, "approval", size=2) as pool:
            made = World(conn, pool, await conn.fetchval("SELECT now()"))
            await made.people()
            yield made
        await conn.close()


@pytest.mark.parametrize("seed", range(4))
async def test_insights_are_what_happened(world: World, seed: int) -> None:
    """For all days, workflows and groups: how much ended how, how long it took, who decided, what waits."""
    await world.happen(random.Random(seed), 400)

    for days in RANGES:
        for workflow in (None, *WORKFLOWS[:2]):
            for group in (None, *GROUPS):
                asked = Asked(days, workflow, group)
                _compare(await insights.read(world.pool, asked), world, asked)


def _compare(found: insights.Insights, world: World, asked: Asked) -> None:
    since = datetime.combine(found.daily[0].day or world.now, datetime.min.time(), UTC)
    of_workflow = [f for f in world.facts if asked.workflow in (None, f.workflow)]
    members = {handle for handle, groups in PEOPLE.items() if asked.group in groups}

    def counts(by: str | None) -> bool:
        return asked.group is None or OWNERS.get(by or "") in members

    ended = [f for f in of_workflow if f.ended is not None and f.ended >= since]
    if asked.group is not None:
        ended = [f for f in ended if _decided(f) and counts(f.by)]
    _same(found.total, ended)
    assert len(found.daily) == asked.days
    assert found.daily[-1].day == found.at.date()
    for day in found.daily:
        _same(day, [f for f in ended if f.ended is not None and f.ended.date() == day.day])
    assert {each.workflow for each in found.workflows} == {f.workflow for f in ended}
    for each in found.workflows:
        _same(each, [f for f in ended if f.workflow == each.workflow])

    waits = [f for f in of_workflow if f.status == "pending" and (asked.group is None or asked.group in f.asks)]
    ages = [(found.at - f.opened).total_seconds() for f in waits]
    assert found.pending.by_age == tuple(Counter(sum(age >= end for end in AGES) for age in ages)[n] for n in range(6))
    assert found.pending.oldest == (pytest.approx(max(ages)) if ages else None)

    given = [g for g in world.given if g.at >= since and g.approval in of_workflow and counts(g.actor)]
    _compare_made(found, world, given)


def _compare_made(found: insights.Insights, world: World, given: Iterable[Given]) -> None:
    names: dict[tuple[str, str], list[Given]] = defaultdict(list)
    for each in given:
        owner = OWNERS.get(each.actor)
        names["decider", each.actor if owner is None else f"user:{owner}"].append(each)
        names["channel", each.channel].append(each)
        for group in PEOPLE.get(owner or "", ()):
            names["group", group].append(each)
    made = [*found.deciders, *found.groups, *found.channels]
    assert {(shown.by, shown.name) for shown in made} == set(names)
    for shown in made:
        own = names[shown.by, shown.name]
        by_hand = [g for g in own if g.actor in OWNERS and not g.actor.startswith("key:")]
        late = datetime.max.replace(tzinfo=UTC)
        unopened = [g for g in by_hand if world.viewed.get((g.approval.id, OWNERS[g.actor]), late) > g.at]
        assert (shown.decisions, shown.by_hand, shown.unopened) == (len(own), len(by_hand), len(unopened))
        times = [(g.at - g.approval.opened).total_seconds() for g in own]
        assert shown.half == pytest.approx(_percentile(times, 0.5))
        assert shown.most == pytest.approx(_percentile(times, 0.95))
    for kind in (found.deciders, found.groups, found.channels):
        assert [shown.decisions for shown in kind] == sorted((shown.decisions for shown in kind), reverse=True)


def _same(shown: Any, facts: Sequence[Fact]) -> None:
    statuses = Counter(fact.status for fact in facts)
    assert (shown.approved, shown.rejected, shown.expired, shown.cancelled) == tuple(
        statuses[status] for status in ("approved", "rejected", "expired", "cancelled")
    )
    assert shown.missed == sum(fact.channel == "clock" for fact in facts)
    times = [(f.ended - f.opened).total_seconds() for f in facts if _decided(f) and f.ended is not None]
    assert shown.decided == len(times)
    for seconds, part in ((shown.half, 0.5), (shown.most, 0.95)):
        assert seconds == (pytest.approx(_percentile(times, part)) if times else None)


def _decided(fact: Fact) -> bool:
    return fact.status in ("approved", "rejected") and fact.channel not in ("clock", "rule", "run")


def _percentile(values: Sequence[float], part: float) -> float:
    """Between the two values that are next to it, in proportion."""
    ordered = sorted(values)
    place = part * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


async def test_nothing_happened(world: World) -> None:
    """Every day is there, without a time."""
    found = await insights.read(world.pool, Asked(7))

    assert (found.total.decided, found.total.half, found.pending.count, found.pending.oldest) == (0, None, 0, None)
    assert [day.decided for day in found.daily] == [0] * 7
    assert (found.known_workflows, found.known_groups) == ([], ["finance", "heads", "nobody"])


@pytest.mark.parametrize("asked", [Asked(workflow="refnud"), Asked(group="finanec")])
async def test_what_there_is_not_is_told(world: World, asked: Asked) -> None:
    """A misspelt workflow or group is no empty page."""
    with pytest.raises(NotFound, match=asked.workflow or asked.group):
        await insights.read(world.pool, asked)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_survey_is_kept_for_a_while(world: World) -> None:
    """For those who ask for the same, and for so many different ones."""
    clock = Clock()
    surveys = Surveys(world.pool, seconds=30, size=2, clock=clock)
    first = await surveys.of(Asked(7))
    await world.happen(random.Random(0), 50)

    clock.now += 29
    assert await surveys.of(Asked(7)) is first
    other = await surveys.of(Asked(30))
    assert other.total.decided > 0
    clock.now += 2
    assert (await surveys.of(Asked(7))).total.decided > 0
    await surveys.of(Asked(90))
    assert await surveys.of(Asked(30)) is not other


async def test_many_who_ask_at_once_cost_one_survey(world: World) -> None:
    """The others wait for the first, and are given the same."""
    surveys = Surveys(world.pool)
    first, *others = await asyncio.gather(*(surveys.of(Asked(days)) for days in (7, 7, 7, 7, 7)))

    assert all(other is first for other in others)


async def test_what_takes_long_is_kept_for_longer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as long as it took, so that looking at it all the time costs the database a tenth of its time."""
    clock = Clock()
    read = insights.read

    async def slow(pool: Pool, asked: Asked) -> insights.Insights:
        clock.now += 8
        return await read(pool, asked)

    monkeypatch.setattr(insights, "read", slow)
    surveys = Surveys(world.pool, seconds=30, clock=clock)
    first = await surveys.of(Asked(7))
    clock.now += 79
    assert await surveys.of(Asked(7)) is first
    clock.now += 2
    assert await surveys.of(Asked(7)) is not first


async def test_what_takes_too_long_is_told(world: World) -> None:
    """A table that cannot be read in time is an error that says what to ask for, and the next one is as good as new."""
    await world.happen(random.Random(0), 50)
    surveys = Surveys(world.pool, patience=0.2)
    async with world.conn.transaction():
        await world.conn.execute("LOCK TABLE approvals")
        with pytest.raises(TooMuchToRead, match="7 days"):
            await surveys.of(Asked(7))

    patient = Surveys(world.pool)
    assert (await patient.of(Asked(7))).total.decided > 0


async def test_a_survey_reads_on_one_core_and_in_the_range_alone(world: World) -> None:
    """Beside a hundred days of history, seven days are found by the index of what has ended."""
    await world.conn.execute(
        """
        SET session_replication_role = replica;
        INSERT INTO approvals (id, run_id, workflow, version, gate, status, input, digest, notified, opened_at,
                               resolved_at, resolved_by, channel)
        SELECT gen_random_uuid(), n::text, 'w', 1, 'g', 'approved', '1', 'd', false, at, at, 'user:ana', 'inbox'
          FROM (SELECT n, now() - n * interval '10 min' AS at FROM generate_series(1, 20000) AS n) AS made;
        ANALYZE approvals;
        """
    )
    async with postgres.surveying(world.pool, 5) as conn:
        settings = {
            name: await conn.fetchval(f"SHOW {name}")
            for name in ("transaction_read_only", "transaction_isolation", "max_parallel_workers_per_gather",
                         "statement_timeout")
        }  # fmt: skip
        plan = await conn.fetch(
            "EXPLAIN SELECT workflow FROM approvals WHERE status <> 'pending' AND resolved_at >= now() - interval '7 d'"
        )

    assert list(settings.values()) == ["on", "repeatable read", "0", "5s"]
    assert "approvals_resolved" in "".join(row[0] for row in plan)
