"""Statements on how deciding went, for `surveying` connections: they go through all that ended in a range of time.

A decision is a person's or a program's: what the clock, a rule or the end of a run resolved is none. Each vote is one,
and so is each resolution for which one approver was enough.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from placet_approval.domain import CLOCK
from placet_runtime.postgres import Connection

AGES = (3600, 4 * 3600, 86400, 3 * 86400, 7 * 86400)  # seconds; where one class of ages ends and the next begins

_DECIDED = f"a.status IN ('approved', 'rejected') AND a.channel NOT IN ('{CLOCK}', 'rule', 'run')"
_TIMES = "percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY seconds)"
_MADE = f"""count(*) AS decisions, count(*) FILTER (WHERE by_hand) AS by_hand,
            count(*) FILTER (WHERE by_hand AND NOT opened) AS unopened, {_TIMES} AS times"""
# The plan is made for the values, so that what is not asked for costs nothing.
_OF_WORKFLOW = "($2::text IS NULL OR a.workflow = $2)"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: since when, of which workflow, decided by whom. ``None``: any."""

    since: datetime
    workflow: str | None = None
    actors: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How many approvals ended how: of a workflow, on a day, or all of them where neither is given.

    ``missed``: by their deadline. ``decided``: by somebody; half of those within ``half`` seconds of opening, 95 %
    within ``most``, which are ``None`` where none was.
    """

    workflow: str | None
    day: date | None
    approved: int
    rejected: int
    expired: int
    cancelled: int
    missed: int
    decided: int
    half: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits: how many in each class of `AGES`, and the age of the oldest in seconds; ``None`` where nothing is."""

    by_age: tuple[int, ...]
    oldest: float | None

    @property
    def count(self) -> int:
        return sum(self.by_age)


@dataclass(frozen=True, slots=True)
class Made:
    """How many decisions somebody made, the members of a group made, or came through a channel.

    ``name``: ``user:<handle>``, what else an actor is called, a group, or a channel; ``label``: a person's name. Half
    of the decisions were made within ``half`` seconds of opening, 95 % within ``most``. ``by_hand``: those of people
    who did not use an API key; ``unopened``: those of them whose makers had not opened the request's page before.
    """

    by: Literal["decider", "group", "channel"]
    name: str
    label: str | None
    decisions: int
    by_hand: int
    unopened: int
    half: float
    most: float


async def ended(conn: Connection, scope: Scope) -> list[Ended]:
    """What ended in the scope, by workflow and by day (UTC), and in all; where it names actors, what they decided."""
    rows = await conn.fetch(
        f"""
        SELECT workflow, day,
               count(*) FILTER (WHERE status = 'approved') AS approved,
               count(*) FILTER (WHERE status = 'rejected') AS rejected,
               count(*) FILTER (WHERE status = 'expired') AS expired,
               count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE missed) AS missed,
               count(*) FILTER (WHERE decided) AS decided,
               {_TIMES} FILTER (WHERE decided) AS times
          FROM (SELECT a.workflow COLLATE "C" AS workflow, (a.resolved_at AT TIME ZONE 'UTC')::date AS day, a.status,
                       a.status = 'expired' OR a.channel = '{CLOCK}' AS missed, {_DECIDED} AS decided,
                       extract(epoch FROM a.resolved_at - a.opened_at)::float8 AS seconds
                  FROM approvals AS a
                 WHERE a.status <> 'pending' AND a.resolved_at >= $1 AND {_OF_WORKFLOW}
                   AND ($3::text[] IS NULL OR ({_DECIDED} AND a.resolved_by = ANY ($3)))) AS ended
         GROUP BY GROUPING SETS ((), (workflow), (day))
         ORDER BY decided DESC, workflow, day
        """,
        scope.since,
        scope.workflow,
        scope.actors,
    )
    found = []
    for row in rows:
        facts = dict(row)
        half, most = facts.pop("times") or (None, None)
        found.append(Ended(**facts, half=half, most=most))
    return found


async def pending(conn: Connection, workflow: str | None, group: str | None) -> Pending:
    """What waits now; where a group is given, what asks it by its name."""
    rows = await conn.fetch(
        f"""
        SELECT width_bucket(age, $1::float8[]) AS class, count(*) AS many, max(age) AS oldest
          FROM (SELECT extract(epoch FROM now() - a.opened_at)::float8 AS age
                  FROM approvals AS a
                 WHERE a.status = 'pending' AND {_OF_WORKFLOW}
                   AND ($3::text IS NULL OR a.id IN (SELECT approval_id FROM approvers WHERE approver = 'group:' || $3))
               ) AS waiting
         GROUP BY class
        """,
        AGES,
        workflow,
        group,
    )
    many = {row["class"]: row["many"] for row in rows}
    by_age = tuple(many.get(each, 0) for each in range(len(AGES) + 1))
    return Pending(by_age, max((row["oldest"] for row in rows), default=None))


async def made(conn: Connection, scope: Scope, deciders: int) -> list[Made]:
    """The decisions in the scope: by channel, by group, and by so many of the busiest deciders; the most come first.

    A person's decisions are together whichever way they came. Groups are those that people are in now.
    """
    rows = await conn.fetch(
        f"""
        WITH people AS MATERIALIZED (
            SELECT i.actor, u.id, u.handle, u.name FROM identities AS i JOIN users AS u ON u.id = i.user_id
             UNION ALL
            SELECT 'key:' || k.name, u.id, u.handle, u.name FROM api_keys AS k JOIN users AS u ON u.id = k.owner),
        given AS (
            SELECT a.id, a.resolved_by AS actor, a.channel, a.opened_at, a.resolved_at AS at
              FROM approvals AS a
             WHERE a.status <> 'pending' AND a.resolved_at >= $1 AND {_OF_WORKFLOW} AND {_DECIDED}
               AND NOT EXISTS (SELECT FROM votes AS v WHERE v.approval_id = a.id)
             UNION ALL
            SELECT a.id, v.actor, v.channel, a.opened_at, v.at
              FROM votes AS v JOIN approvals AS a ON a.id = v.approval_id
             WHERE v.at >= $1 AND {_OF_WORKFLOW}),
        made AS MATERIALIZED (
            SELECT coalesce('user:' || p.handle, g.actor) COLLATE "C" AS decider, p.id, p.name, g.channel,
                   p.id IS NOT NULL AND NOT starts_with(g.actor, 'key:') AS by_hand,
                   w.approval_id IS NOT NULL AS opened,
                   extract(epoch FROM g.at - g.opened_at)::float8 AS seconds
              FROM given AS g
              LEFT JOIN people AS p ON p.actor = g.actor
              LEFT JOIN views AS w ON w.approval_id = g.id AND w.subject = p.id::text AND w.at <= g.at
             WHERE $3::text[] IS NULL OR g.actor = ANY ($3)),
        busiest AS (
            SELECT decider, max(name) AS label, {_MADE}
              FROM made GROUP BY decider ORDER BY decisions DESC, decider LIMIT $4)
        SELECT 'decider' AS by, decider AS name, label, decisions, by_hand, unopened, times FROM busiest
         UNION ALL
        SELECT 'group', m.group_name, NULL, {_MADE}
          FROM made JOIN group_members AS m ON m.user_id = made.id GROUP BY m.group_name
         UNION ALL
        SELECT 'channel', channel, NULL, {_MADE} FROM made GROUP BY channel
         ORDER BY decisions DESC, name
        """,
        scope.since,
        scope.workflow,
        scope.actors,
        deciders,
    )
    found = []
    for row in rows:
        facts = dict(row)
        half, most = facts.pop("times")
        found.append(Made(**facts, half=half, most=most))
    return found


async def members(conn: Connection, group: str) -> list[str]:
    """By which actors the members of a group are known."""
    rows = await conn.fetch(
        """
        SELECT i.actor FROM group_members AS m JOIN identities AS i ON i.user_id = m.user_id WHERE m.group_name = $1
         UNION ALL
        SELECT 'key:' || k.name FROM group_members AS m JOIN api_keys AS k ON k.owner = m.user_id
         WHERE m.group_name = $1
        """,
        group,
    )
    return [row["actor"] for row in rows]


async def workflows(conn: Connection) -> list[str]:
    """The workflows that have asked for approvals, found one by one in their index."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE found AS (
            (SELECT workflow FROM approvals ORDER BY workflow LIMIT 1)
             UNION ALL
            SELECT (SELECT a.workflow FROM approvals AS a WHERE a.workflow > f.workflow ORDER BY a.workflow LIMIT 1)
              FROM found AS f WHERE f.workflow IS NOT NULL)
        SELECT workflow FROM found WHERE workflow IS NOT NULL
        """
    )
    return [row["workflow"] for row in rows]


async def groups(conn: Connection) -> list[str]:
    """The groups that there are."""
    return [row["name"] for row in await conn.fetch("SELECT name FROM groups ORDER BY name")]
