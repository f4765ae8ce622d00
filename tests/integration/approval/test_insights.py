"""What insights say is what a plain count over all that happened says."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from kit.past import GROUPS, OWNERS, PEOPLE, WORKFLOWS, Fact, Given, World, past
from placet_approval.domain import NotFound
from placet_approval.handlers import insights
from placet_approval.handlers.insights import RANGES, Asked
from placet_approval.store.insights import AGES


@pytest.fixture
async def world(postgres_url: str) -> AsyncIterator[World]:
    async with past(postgres_url) as made:
        yield made


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
