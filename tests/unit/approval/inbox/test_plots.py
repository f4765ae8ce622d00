"""Plots say what they are drawn from: to scale, whole, and with names that do not run into each other."""

import math
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placet_approval.inbox.plots import bars, columns, labels, lines, ranges, svg
from placet_approval.inbox.plots.bars import Bar
from placet_approval.inbox.plots.columns import Column
from placet_approval.inbox.plots.lines import Point
from placet_approval.inbox.plots.ranges import Span
from placet_approval.inbox.plots.scales import Counts, Mark, Slots, Times

few = settings(max_examples=30, deadline=None)
SECONDS = st.floats(0, 1e9)
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=60)
KINDS = ("approved", "rejected", "expired", "cancelled")
MONTHS = [labels.day(date(2026, 11, 24) - timedelta(days=back)) for back in range(89, -1, -1)]


def drawn(image: str) -> Element:
    """An image, read back."""
    return ElementTree.fromstring(image)


def of(root: Element, tag: str, kind: str) -> list[Element]:
    """Its elements of a class, in order."""
    return [each for each in root.iter(tag) if kind in each.get("class", "").split()]


def number(element: Element, name: str) -> float:
    """What an attribute says, in percent or in pixels."""
    return float((element.get(name) or "").rstrip("%"))


def apart(marks: list[Mark], width: float) -> bool:
    """Whether names of neighbours are apart in a plot of that width."""
    ends = [mark.extent(width) for mark in marks]
    return all(one[1] < two[0] for one, two in pairwise(ends))


@few
@given(st.lists(SECONDS, max_size=20))
def test_an_axis_of_time_covers_what_it_shows(values: list[float]) -> None:
    """Whatever the spans, a greater one is further right, and all of a second to ten years are within."""
    scale = Times.over(values)

    assert scale.first < scale.last
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert all(scale.first <= value <= scale.last for value in values if 1 <= value <= 3.1e8)


@few
@given(st.lists(SECONDS, max_size=20))
def test_names_on_an_axis_of_time_do_not_run_into_each_other(values: list[float]) -> None:
    """On a phone those that are shown there, elsewhere all that have a name; none leaves the plot."""
    marks = Times.over(values).marks()

    narrow = [mark for mark in marks if mark.spare is False]
    medium = [mark for mark in marks if mark.spare is not None]
    assert narrow
    assert apart(narrow, svg.NARROW)
    assert apart(medium, svg.MEDIUM)
    assert all(-0.01 <= end <= svg.NARROW + 0.01 for mark in narrow for end in mark.extent(svg.NARROW))


@few
@given(st.lists(SECONDS, max_size=20), st.floats(60, 400))
def test_names_beside_an_axis_of_time_are_a_line_apart(values: list[float], height: float) -> None:
    """However many marks there are."""
    named = [mark.at * height / 100 for mark in Times.over(values).rungs(height) if mark.spare is not None]

    assert named
    assert all(two - one >= 14 for one, two in pairwise(named))


@pytest.mark.parametrize("many", [0, 1, 2, 7, 30, 90])
@pytest.mark.parametrize("beside", [0, 48, 84])
def test_names_of_days_do_not_run_into_each_other(many: int, beside: float) -> None:
    """The last day has its name, and others at even distances."""
    names = MONTHS[90 - many :]
    marks = Slots(many).marks(names, beside)

    assert [mark.name for mark in marks][-1:] == names[-1:]
    assert apart([mark for mark in marks if not mark.spare], svg.NARROW - beside)
    assert apart(marks, svg.MEDIUM - beside)
    assert many < 7 or sum(not mark.spare for mark in marks) >= 3


@few
@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_an_axis_of_counts_has_few_round_marks(values: list[int]) -> None:
    """It begins at zero, ends at or above the greatest count, and has whole numbers."""
    scale = Counts.over(values)

    assert 2 <= len(scale.marks()) <= 5
    assert scale.marks()[0].at == 0
    assert scale.last >= max(values, default=1)
    assert str(scale.step).rstrip("0") in ("1", "2", "5")


@few
@given(st.lists(st.tuples(NAMES, st.floats(1, 1e6), st.floats(1, 100)), min_size=1, max_size=12))
def test_spans_are_to_scale(made: list[tuple[str, float, float]]) -> None:
    """A bar goes from half to 95 %, and where one span is as many times another, it is as far from it."""
    spans = [Span(name, half, half * times) for name, half, times in made]
    root = drawn(ranges.plot("p", spans, title="T"))

    scale = Times.over(value for span in spans for value in (span.half, span.most))
    for bar, span in zip(of(root, "line", "span"), spans, strict=True):
        width = math.log(span.most / span.half) / math.log(scale.last / scale.first) * 100
        assert number(bar, "x2") - number(bar, "x1") == pytest.approx(width, abs=0.02)
    dots = of(root, "circle", "half")
    assert [number(dot, "cx") for dot in dots] == [pytest.approx(scale.at(span.half), abs=0.01) for span in spans]


@few
@given(st.lists(st.tuples(NAMES, st.integers(0, 10**6)), max_size=12))
def test_bars_are_to_scale_and_say_what_they_are(made: list[tuple[str, int]]) -> None:
    """Whatever is in a name, it is text."""
    root = drawn(bars.plot("p", [Bar(*each) for each in made], title="T"))

    full = max((count for _, count in made), default=0) or 1
    widths = [number(bar, "width") for bar in of(root, "rect", "bar")]
    assert widths == [pytest.approx(100 * count / full, abs=0.01) for _, count in made]
    hints = [row.findtext("title") for row in of(root, "g", "row")]
    assert hints == [f"{name}: {count:,}" for name, count in made]
    assert [text.text for text in of(root, "text", "value")] == [f"{count:,}" for _, count in made]


@few
@given(st.lists(st.tuples(*(st.integers(0, 5000) for _ in KINDS)), max_size=30))
def test_columns_are_to_scale_and_stand_on_each_other(days: list[tuple[int, ...]]) -> None:
    """Each part is as high as its count, and begins where the one below it ends."""
    root = drawn(columns.plot("p", KINDS, [Column(MONTHS[n], counts) for n, counts in enumerate(days)], title="T"))

    last = Counts.over(sum(counts) for counts in days).last
    for column, counts in zip(of(root, "g", "column"), days, strict=True):
        parts = of(column, "rect", "fill")
        shown = [count for count in counts if count]
        assert [number(part, "height") for part in parts] == [pytest.approx(170 * n / last, abs=0.01) for n in shown]
        tops = [number(part, "y") for part in parts]
        feet = [number(part, "y") + number(part, "height") for part in parts]
        assert feet[1:] == [pytest.approx(top, abs=0.02) for top in tops[:-1]]
        assert not feet or feet[0] == pytest.approx(180, abs=0.02)


def test_kinds_differ_in_more_than_their_colour() -> None:
    """Each kind but the first has a pattern of its own, that is defined in its image."""
    root = drawn(columns.plot("p", KINDS, [Column("1 Nov", (1, 1, 1, 1))], title="T"))

    defined = {pattern.get("id"): pattern[0].get("d") for pattern in root.iter("pattern")}
    used = [(part.get("fill") or "")[5:-1] for part in of(root, "rect", "hatched")]
    assert used == ["p-rejected", "p-expired", "p-cancelled"]
    assert len({defined[name] for name in used}) == 3


@few
@given(st.lists(st.none() | st.tuples(st.floats(1, 1e6), st.floats(1, 50)), max_size=30))
def test_lines_go_through_all_days_that_have_a_value(days: list[tuple[float, float] | None]) -> None:
    """A day without one parts them; a day between two such is a dot."""
    times = [None if each is None else (each[0], each[0] * each[1]) for each in days]
    root = drawn(lines.plot("p", [Point(MONTHS[n], each) for n, each in enumerate(times)], title="T"))

    known = [(n, each) for n, each in enumerate(times) if each is not None]
    scale, slots = Times.over(value for _, each in known for value in each), Slots(len(times))
    dots = of(root, "circle", "half")
    assert [number(dot, "cx") for dot in dots] == [pytest.approx(slots.at(n), abs=0.01) for n, _ in known]
    assert [number(dot, "cy") for dot in dots] == [
        pytest.approx(180 - 1.64 * scale.at(half), abs=0.02) for _, (half, _) in known
    ]
    through = [len((path.get("points") or "").split()) for path in of(root, "polyline", "half")]
    runs = "".join("1" if each else " " for each in times).split()
    assert through == [len(run) for run in runs if len(run) > 1]


@pytest.mark.parametrize(
    "image",
    [ranges.plot("p", [], title="T"), bars.plot("p", [], title="T"), lines.plot("p", [], title="T"),
     columns.plot("p", KINDS, [], title="T"), ranges.plot("p", [Span("a", 60, 60)], title="T"),
     lines.plot("p", [Point("1 Nov", (60, 60))], title="T"), bars.plot("p", [Bar("a", 0)], title="T"),
     columns.plot("p", KINDS, [Column("1 Nov", (0, 0, 0, 0))], title="T")],
)  # fmt: skip
def test_nothing_and_little_can_be_drawn(image: str) -> None:
    """With a title and a text for those who do not see it, and no number that is none."""
    root = drawn(image)

    assert root.findtext("title") == "T"
    assert root.findtext("desc")
    assert root.get("aria-labelledby") == "p-title p-text"
    assert "nan" not in image.lower()
    assert "inf" not in image.lower()


def test_what_is_in_a_name_is_text() -> None:
    """Markup in the name of a workflow is shown as it is written; nothing has a style of its own."""
    name = '<script>alert("1")</script>&amp;'
    images: list[Any] = [
        ranges.plot("p", [Span(name, 1, 2, name)], title=name),
        bars.plot("p", [Bar(name, 1)], title=name),
        lines.plot("p", [Point(name, (1, 2))], title=name),
        columns.plot("p", KINDS, [Column(name, (1, 2, 3, 4))], title=name),
    ]
    for image in images:
        root = drawn(image)
        assert "<script" not in image
        assert root.findtext("title") == name
        assert not [each for each in root.iter() if each.tag == "script" or each.get("style")]


def test_long_names_leave_room_for_numbers() -> None:
    """On a phone a name ends before its number begins; where there is more room, more of it is shown."""
    root = drawn(bars.plot("p", [Bar("a-workflow-with-a-very-long-name-that-goes-on-and-on" * 2, 1234567)], title="T"))

    [value], [brief], [full] = (of(root, "text", kind) for kind in ("value", "brief", "spare"))
    assert svg.width_of(brief.text or "") + svg.width_of(value.text or "") < svg.NARROW
    assert svg.width_of(full.text or "") + svg.width_of(value.text or "") < svg.MEDIUM
    assert len(full.text or "") > len(brief.text or "")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.44, "0.4 s"), (59.4, "59 s"), (59.6, "1 min"), (90, "1.5 min"), (3570, "1 h"), (3600, "1 h"),
     (86000, "1 d"), (86400 * 9.96, "10 d"), (86400 * 1234, "1,234 d")],
)  # fmt: skip
def test_spans_of_time_are_short(seconds: float, words: str) -> None:
    """In the largest unit that is full, with two digits at least where that says more."""
    assert labels.duration(seconds) == words
