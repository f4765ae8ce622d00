"""A run's life as a picture: to scale, readable, and what it says."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placet_approval.inbox import rendering, timeline
from placet_approval.inbox.timeline import Mark, Picture, Span, Story, draw

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def step(begins: float, lasts: float, label: str = "load") -> Span:
    return Span("step", 1, label, at(begins), at(begins + lasts))


def pause(begins: float, lasts: float | None, label: str = "legal") -> Span:
    return Span("pause", 1, label, at(begins), None if lasts is None else at(begins + lasts), "approved by ana", "good")


def picture(spans: Sequence[Span], lasted: float, *, ended: bool = True, marks: Sequence[Mark] = ()) -> Picture:
    return draw(Story(T0, at(lasted), ended, spans, marks))


def svg(drawn: Picture, summary: str = "All of it.") -> ET.Element:
    """The picture as a page has it, parsed."""
    macros = rendering._ENVIRONMENT.get_template("runs/timeline.html").module
    made = str(macros.lane(drawn, "What the run did", summary))  # type: ignore[attr-defined]
    [found] = [each for each in ET.fromstring(made).iter(f"{SVG}svg") if each.get("role") == "img"]
    return found


def test_what_is_of_one_order_is_to_scale() -> None:
    """A step that took three times as long is three times as wide, and begins where it began."""
    drawn = picture([step(0, 1), step(2, 3), step(6, 4)], 10)

    assert [(round(each.x, 2), round(each.width, 2)) for each in drawn.spans] == [(0, 10), (20, 30), (60, 40)]
    assert (drawn.breaks, drawn.stretched) == ((), False)


def test_a_pause_of_days_leaves_room_for_steps_of_milliseconds() -> None:
    """It has a scale of its own and is marked as cut; the steps are to scale with one another."""
    drawn = picture([step(0, 0.1), step(0.1, 0.4), pause(0.5, 200_000), step(200_000.5, 0.2)], 200_000.7)

    short, long, waited, last = (each.width for each in drawn.spans)
    assert waited == pytest.approx(45, abs=1)
    assert [long / short, last / short] == pytest.approx([4, 2], rel=0.01)
    [cut] = drawn.breaks
    assert drawn.spans[2].x < cut < drawn.spans[2].x + waited
    assert not drawn.stretched


def test_several_long_pauses_are_to_scale_with_one_another() -> None:
    """One that took twice as long is twice as wide, each is marked."""
    drawn = picture([step(0, 1), pause(1, 100_000), step(100_001, 9), pause(100_010, 200_000)], 300_010)

    assert drawn.spans[3].width / drawn.spans[1].width == pytest.approx(2, rel=0.01)
    assert len(drawn.breaks) == 2


def test_what_is_too_short_to_see_is_drawn_wider_and_said_to_be() -> None:
    """Beside an hour, a millisecond has a width all the same."""
    drawn = picture([step(0, 0.001), step(1, 3599)], 3600)

    assert drawn.spans[0].width > 2
    assert drawn.stretched


def test_what_goes_on_is_drawn_until_now() -> None:
    """A gate that waits reaches the end of the lane, which stays open."""
    drawn = picture([step(0, 1), pause(1, None)], 5, ended=False)

    assert drawn.spans[1].x + drawn.spans[1].width == pytest.approx(100)
    assert (drawn.spans[1].seconds, drawn.ended) == (4, False)


def test_what_went_on_at_a_time_stands_in_rows() -> None:
    """As few as will do."""
    drawn = picture([step(0, 5), step(1, 1), step(1.5, 2), step(3, 1)], 5)

    assert ([each.row for each in drawn.spans], drawn.rows) == ([0, 1, 2, 1], 3)


def test_labels_below_have_room() -> None:
    """The beginning and the end are there in any case."""
    drawn = picture([step(n / 10, 0.1) for n in range(50)], 5)

    assert (drawn.ticks[0].seconds, drawn.ticks[-1].seconds) == (0, 5)
    assert all(after.x - before.x >= 9 for before, after in pairwise(drawn.ticks))


def test_thousands_of_steps_are_drawn_as_some() -> None:
    """Those that follow each other are one bar, which says how many they are; a pause stays itself."""
    spans = [*(step(n, 1) for n in range(2000)), pause(2000, 5), *(step(2005 + n, 1) for n in range(2000))]

    drawn = picture(spans, 4005)

    assert len(drawn.spans) <= timeline.MOST + 2
    assert sum(each.span.count for each in drawn.spans) == 4001
    assert [each.span.kind for each in drawn.spans].count("pause") == 1


MOMENTS = st.floats(0, 10_000_000) | st.floats(0, 1)


@given(st.lists(st.tuples(MOMENTS, MOMENTS, st.booleans()), max_size=30), st.lists(MOMENTS, max_size=5), MOMENTS)
def test_every_story_fits_the_lane(spans: list[tuple[float, float, bool]], marks: list[float], lasted: float) -> None:
    """Whatever happened when, and if clocks disagree: all is within the lane, in order, and wide enough to be seen."""
    drawn = picture(
        [pause(begins, lasts) if waits else step(begins, lasts) for begins, lasts, waits in spans],
        lasted,
        marks=[Mark(at(moment), "x") for moment in marks],
    )

    for each in drawn.spans:
        assert -0.01 <= each.x <= each.x + each.width <= 100.01
        assert each.width > 0.1
    assert all(before.x <= after.x for before, after in pairwise(drawn.spans))
    assert all(0 <= x <= 100.01 for x, _ in drawn.marks)


def test_the_svg_says_all_that_it_shows() -> None:
    """Well-formed, named and described; each bar with its place, its name, how long it took, and who decided."""
    drawn = picture([step(0, 4), pause(4, 4), step(8, 2)], 10, marks=[Mark(at(9), "Attempt 1 failed: Boom")])

    made = svg(drawn, "Completed after 10 s.")

    named = {each.get("id"): each.text for each in made.iter() if each.get("id")}
    assert [named[id] for id in (made.get("aria-labelledby") or "").split()] == [
        "What the run did",
        "Completed after 10 s.",
    ]
    bars = [each for each in made.iter(f"{SVG}svg") if "span" in (each.get("class") or "")]
    assert [(bar.get("x"), bar.get("width")) for bar in bars] == [
        ("0.0%", "40.0%"),
        ("40.0%", "40.0%"),
        ("80.0%", "20.0%"),
    ]
    assert [bar.findtext(f"{SVG}title") for bar in bars] == [
        "1: load, 4 s",
        "1: legal, 4 s, approved by ana",
        "1: load, 2 s",
    ]
    assert "".join(bars[1].find(f"{SVG}text").itertext()) == "legal4 sapproved by ana"  # type: ignore[union-attr]
    assert [each.findtext(f"{SVG}title") for each in made.iter(f"{SVG}svg") if each.get("class") == "mark"] == [
        "Attempt 1 failed: Boom"
    ]
    assert [each.text for each in made.iter(f"{SVG}text") if each.get("class") == "tick"] == ["0", "4 s", "8 s", "10 s"]
    assert not [each for each in made.iter() if "style" in each.attrib]


def test_names_in_the_svg_are_escaped() -> None:
    """A step may be called anything."""
    drawn = picture([step(0, 1, '</title><script>alert("1")</script>')], 1)

    [bar] = [each for each in svg(drawn).iter(f"{SVG}svg") if each.get("class", "").startswith("span")]

    assert bar.findtext(f"{SVG}title") == '1: </title><script>alert("1")</script>, 1 s'
    assert not list(bar.iter(f"{SVG}script"))
