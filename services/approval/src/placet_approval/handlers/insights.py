"""How deciding went in the last days: read in one snapshot, and kept for a while, as reading it is much work."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from placet_approval.domain import NotFound, TooMuchToRead
from placet_approval.store import insights
from placet_approval.store.insights import Ended, Made, Pending, Scope
from placet_runtime.postgres import Pool, surveying

Days = Literal[7, 30, 90]
RANGES: tuple[Days, ...] = get_args(Days)

_DECIDERS = 20
_STATEMENT = 25  # seconds that one may take at most, should nobody be there to end it


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody would know about: today and the days before it, of which workflow, decided by which group."""

    days: Days = 30
    workflow: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Insights:
    """How deciding went.

    For a group, ``pending`` is what asks it by its name, and all else what its members decided.
    """

    asked: Asked
    at: datetime  # of the snapshot
    total: Ended
    workflows: Sequence[Ended]  # those decided on most come first
    daily: Sequence[Ended]  # each day of the range, in UTC
    pending: Pending
    deciders: Sequence[Made]  # the busiest
    groups: Sequence[Made]
    channels: Sequence[Made]
    known_workflows: Sequence[str]  # what can be asked for
    known_groups: Sequence[str]


async def read(pool: Pool, asked: Asked) -> Insights:
    """Look at all that ended in the days that are asked for.

    Raises:
        NotFound: there is no such workflow or group.
    """
    async with surveying(pool, _STATEMENT) as conn:
        workflows, groups = await insights.workflows(conn), await insights.groups(conn)
        if asked.workflow is not None and asked.workflow not in workflows:
            raise NotFound("workflow", asked.workflow)
        if asked.group is not None and asked.group not in groups:
            raise NotFound("group", asked.group)
        now: datetime = await conn.fetchval("SELECT now()")
        days = _days(now, asked.days)
        since = datetime.combine(days[0], datetime.min.time(), UTC)
        actors = None if asked.group is None else await insights.members(conn, asked.group)
        scope = Scope(since, asked.workflow, actors)
        ended = await insights.ended(conn, scope)
        pending = await insights.pending(conn, asked.workflow, asked.group)
        made = await insights.made(conn, scope, _DECIDERS)
    by_day = {each.day: each for each in ended if each.day is not None}
    return Insights(
        asked=asked,
        at=now,
        total=next(each for each in ended if each.day is None and each.workflow is None),
        workflows=[each for each in ended if each.workflow is not None],
        daily=[by_day.get(day) or _nothing(day) for day in days],
        pending=pending,
        deciders=[each for each in made if each.by == "decider"],
        groups=[each for each in made if each.by == "group"],
        channels=[each for each in made if each.by == "channel"],
        known_workflows=workflows,
        known_groups=groups,
    )


class Surveys:
    """Surveys that were made lately. One is under way at a time, whoever asks for however many.

    One is good for ``seconds``, and for ten times as long as it took, so that at most a tenth of one core of the
    database goes into one that somebody looks at all the time. Nobody waits longer than ``patience`` seconds.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        seconds: float = 30,
        size: int = 64,
        patience: float = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._seconds = seconds
        self._size = size
        self._patience = patience
        self._clock = clock
        self._kept: OrderedDict[Asked, tuple[float, Insights]] = OrderedDict()  # with the time until which it is good
        self._turn = asyncio.Lock()

    async def of(self, asked: Asked) -> Insights:
        """What was read a short while ago, or is now.

        Raises:
            NotFound: there is no such workflow or group.
            TooMuchToRead: it takes too long, or others are before this.
        """
        if (kept := self._good(asked)) is not None:
            return kept
        try:
            async with asyncio.timeout(self._patience), self._turn:
                return self._good(asked) or await self._read(asked)
        except TimeoutError:
            raise TooMuchToRead(asked.days) from None

    async def _read(self, asked: Asked) -> Insights:
        began = self._clock()
        found = await read(self._pool, asked)
        ended = self._clock()
        self._kept[asked] = (ended + max(self._seconds, 10 * (ended - began)), found)
        self._kept.move_to_end(asked)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return found

    def _good(self, asked: Asked) -> Insights | None:
        until, kept = self._kept.get(asked, (0.0, None))
        return kept if self._clock() < until else None


def _days(now: datetime, many: int) -> list[date]:
    """So many days, today last."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(many - 1, -1, -1)]


def _nothing(day: date) -> Ended:
    return Ended(None, day, 0, 0, 0, 0, 0, 0, None, None)
