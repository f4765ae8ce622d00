"""Insights as plots, each with the same facts in a table. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from markupsafe import Markup

from placet_approval.handlers.insights import Insights
from placet_approval.inbox import words
from placet_approval.inbox.plots import bars, columns, labels, lines, ranges, svg
from placet_approval.inbox.plots.bars import Bar
from placet_approval.inbox.plots.columns import Column
from placet_approval.inbox.plots.lines import Point
from placet_approval.inbox.plots.ranges import Span
from placet_approval.store.insights import Ended, Made

OUTCOMES = ("approved", "rejected", "expired", "cancelled")

_ROWS = 10  # that a plot shows; its table has all
_AGES = ("Less than 1 h", "1 to 4 h", "4 h to 1 d", "1 to 3 d", "3 to 7 d", "A week or more")
_DOTS = ((svg.sample("half"), "Half within", ""), (svg.sample("most"), "95 % within", ""))
_CHANNELS = {"api": "API", "email": "E-mail"}
_NONE = "–"  # noqa: RUF001  a dash, as is shown


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that is seen at once."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot, what there is to know about it, and its facts as rows; ``plot`` is ``None`` where there are none.

    The first cell of each row is its name; the others are numbers.
    """

    name: str
    title: str
    about: str
    plot: Markup | None
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[tuple[Markup, str, str]] = field(default=())  # swatch, name, number
    empty: str = "Nobody decided anything in these days."


def tiles(insights: Insights) -> list[Tile]:
    """What is asked for most."""
    total, pending = insights.total, insights.pending
    by_hand, unopened = (sum(getattr(each, name) for each in insights.channels) for name in ("by_hand", "unopened"))
    ended = _ended(total)
    return [
        Tile("Pending now", labels.count(pending.count)),
        Tile("Oldest pending", _NONE if pending.oldest is None else labels.duration(pending.oldest)),
        Tile("Decided", labels.count(total.decided), f"of {labels.count(ended)} that ended"),
        Tile("Half decided within", _time(total.half), f"95 % within {_time(total.most)}" if total.decided else ""),
        _missed_tile(insights),
        Tile(
            "Decided unopened",
            labels.share(unopened, by_hand) if by_hand else _NONE,
            f"{labels.count(unopened)} of {labels.count(by_hand)}" if by_hand else "",
        ),
    ]


def _missed_tile(insights: Insights) -> Tile:
    missed, ended = insights.total.missed, _ended(insights.total)
    if insights.asked.group is not None:
        return Tile("Missed deadlines", _NONE, "shown for all groups")
    return Tile("Missed deadlines", labels.count(missed), labels.share(missed, ended) if ended else "")


def figures(insights: Insights) -> list[Figure]:
    """All plots, in the order in which they are shown."""
    return [
        _outcomes(insights.daily),
        _times_by_day(insights.daily),
        _times_by_workflow(insights.workflows),
        _times_by_group(insights.groups),
        _pending(insights.pending.by_age),
        _missed(insights.workflows, insights.asked.group),
        _deciders(insights.deciders),
        _unopened(insights.channels),
    ]


def _outcomes(days: Sequence[Ended]) -> Figure:
    name, title = "outcomes", "Outcomes per day"
    stacked = [Column(labels.day(_day(day)), [getattr(day, kind) for kind in OUTCOMES]) for day in days]
    totals = [sum(column.counts[n] for column in stacked) for n in range(len(OUTCOMES))]
    return Figure(
        name,
        title,
        "Approvals by the day on which they ended.",
        columns.plot(name, OUTCOMES, stacked, title=title) if any(totals) else None,
        ["Day", *(kind.title() for kind in OUTCOMES)],
        [[str(day.day), *(labels.count(getattr(day, kind)) for kind in OUTCOMES)] for day in days],
        legend=[
            (columns.swatch(name, kind), kind.title(), labels.count(total))
            for kind, total in zip(OUTCOMES, totals, strict=True)
        ],
        empty="No approval ended in these days.",
    )


def _times_by_day(days: Sequence[Ended]) -> Figure:
    name, title = "daily-times", "Time to decision per day"
    points = [Point(labels.day(_day(day)), _times(day)) for day in days]
    return Figure(
        name,
        title,
        "By the day of the decision.",
        lines.plot(name, points, title=title) if any(point.times for point in points) else None,
        ["Day", "Decided", "Half within", "95 % within"],
        [[str(day.day), labels.count(day.decided), _time(day.half), _time(day.most)] for day in days],
        legend=_DOTS,
    )


def _times_by_workflow(workflows: Sequence[Ended]) -> Figure:
    known = sorted((each for each in workflows if each.decided), key=lambda each: each.half or 0, reverse=True)
    spans = [
        Span(each.workflow or "", *times, hint=words.plural(each.decided, "decision"))
        for each in known[:_ROWS]
        if (times := _times(each)) is not None
    ]
    return _ranges(
        "workflow-times",
        "Time to decision by workflow",
        "From opening to the decision that ended it; the slowest first.",
        spans,
        head=["Workflow", "Decided", "Half within", "95 % within"],
        rows=[[each.workflow or "", labels.count(each.decided), _time(each.half), _time(each.most)] for each in known],
    )


def _times_by_group(groups: Sequence[Made]) -> Figure:
    known = sorted(groups, key=lambda each: each.half, reverse=True)
    spans = [Span(each.name, each.half, each.most, words.plural(each.decisions, "decision")) for each in known[:_ROWS]]
    return _ranges(
        "group-times",
        "Time to decision by group",
        "Decisions and votes of the people who are in a group now, from opening to theirs; the slowest first.",
        spans,
        head=["Group", "Decisions", "Half within", "95 % within"],
        rows=[_made(each) for each in known],
        empty="Nobody who is in a group decided anything in these days.",
    )


def _pending(by_age: Sequence[int]) -> Figure:
    name, title = "pending", "Pending, by age"
    counts = list(zip(_AGES, by_age, strict=True))
    return Figure(
        name,
        title,
        "What waits for a decision now, by how long it has waited.",
        bars.plot(name, [Bar(age, count) for age, count in counts], title=title) if any(by_age) else None,
        ["Age", "Pending"],
        [[age, labels.count(count)] for age, count in counts],
        empty="Nothing waits for a decision.",
    )


def _missed(workflows: Sequence[Ended], group: str | None) -> Figure:
    name, title = "missed", "Deadlines missed, by workflow"
    known = sorted((each for each in workflows if each.missed), key=lambda each: -each.missed)
    shown = [
        Bar(each.workflow or "", each.missed, value=f"{labels.count(each.missed)} · {_missed_share(each)}")
        for each in known[:_ROWS]
    ]
    return Figure(
        name,
        title,
        "Expired, or rejected by the clock; and the share of what ended.",
        bars.plot(name, shown, title=title) if shown else None,
        ["Workflow", "Missed", "Of what ended"],
        [[each.workflow or "", labels.count(each.missed), _missed_share(each)] for each in known],
        empty="Nobody decided those: choose all groups." if group else "No deadline was missed in these days.",
    )


def _deciders(deciders: Sequence[Made]) -> Figure:
    name, title = "deciders", "Busiest approvers"
    shown = [
        Bar(_who(each), each.decisions, value=f"{labels.count(each.decisions)} · half within {_time(each.half)}")
        for each in deciders[:_ROWS]
    ]
    return Figure(
        name,
        title,
        "Decisions and votes, and how long after opening they came. Keys without an owner are programs.",
        bars.plot(name, shown, title=title) if shown else None,
        ["Approver", "Decisions", "Half within", "95 % within"],
        [_made(each) for each in deciders],
    )


def _unopened(channels: Sequence[Made]) -> Figure:
    name, title = "unopened", "Decided without opening the request"
    known = sorted((each for each in channels if each.by_hand), key=lambda each: -each.by_hand)
    shown = [
        Bar(
            _channel(each),
            each.by_hand,
            each.unopened,
            f"{labels.count(each.unopened)} · {_unopened_share(each)}",
        )
        for each in known
    ]
    return Figure(
        name,
        title,
        "Decisions of people who had not looked at the request's page before; those made with API keys do not count.",
        bars.plot(name, shown, title=title) if shown else None,
        ["Channel", "Decisions", "Without opening", "Share"],
        [
            [_channel(each), labels.count(each.by_hand), labels.count(each.unopened), _unopened_share(each)]
            for each in known
        ],
        legend=[(svg.sample("part"), "Without opening", ""), (svg.sample("bar"), "After opening", "")],
    )


def _ranges(
    name: str,
    title: str,
    about: str,
    spans: Sequence[Span],
    *,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    empty: str = "Nobody decided anything in these days.",
) -> Figure:
    return Figure(
        name, title, about, ranges.plot(name, spans, title=title) if spans else None, head, rows, _DOTS, empty
    )


def _made(each: Made) -> list[str]:
    return [_who(each), labels.count(each.decisions), _time(each.half), _time(each.most)]


def _who(made: Made) -> str:
    """A person by their name, anybody and anything else by what they are called."""
    return made.label or (words.who(made.name) if made.by == "decider" else made.name)


def _missed_share(each: Ended) -> str:
    return labels.share(each.missed, _ended(each))


def _ended(each: Ended) -> int:
    return each.approved + each.rejected + each.expired + each.cancelled


def _channel(each: Made) -> str:
    return _CHANNELS.get(each.name) or words.label(each.name)


def _unopened_share(each: Made) -> str:
    return labels.share(each.unopened, each.by_hand)


def _day(each: Ended) -> date:
    assert each.day is not None
    return each.day


def _times(each: Ended) -> tuple[float, float] | None:
    return None if each.half is None or each.most is None else (each.half, each.most)


def _time(seconds: float | None) -> str:
    return _NONE if seconds is None else labels.duration(seconds)
