"""What a posted form comes to."""

from datetime import date
from decimal import Decimal
from time import process_time
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from placet_approval.inbox.forms.checking import check
from placet_approval.inbox.forms.fields import MISSING, form
from placet_approval.inbox.forms.filling import fill, holds
from placet_contracts.digest import canonical


def a(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """An object with one property, ``it``."""
    return {"type": "object", "properties": {"it": schema}, "required": ["it"] if required else []}


def maybe(schema: dict[str, Any]) -> dict[str, Any]:
    """As pydantic writes what may be null."""
    return {"anyOf": [schema, {"type": "null"}], "default": None}


LINES = {"type": "array", "items": {"type": "integer"}}
CHOICE = {"enum": ["a", 2, None]}
GROUP = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
DECIMAL = {"anyOf": [{"type": "number"}, {"type": "string"}]}


@pytest.mark.parametrize(
    ("schema", "typed", "value"),
    [
        ({"type": "string"}, " as typed ", " as typed "),
        ({"type": "string"}, "two\r\nlines", "two\nlines"),
        ({"type": "integer"}, " +42 ", 42),
        ({"type": "integer"}, "9" * 40, int("9" * 40)),
        ({"type": "number"}, "1.50", 1.5),
        ({"type": "number"}, "3", 3),
        (DECIMAL, "12.10", 12.1),
        (DECIMAL, "0.12345678901234567890", "0.12345678901234567890"),
        ({"type": "string", "format": "date"}, "2026-11-24", "2026-11-24"),
        ({"type": "string", "format": "date-time"}, "2026-11-24T17:30", "2026-11-24T17:30:00Z"),
        ({"type": "string", "format": "date-time"}, "2026-11-24T17:30+01:00", "2026-11-24T17:30:00+01:00"),
        (LINES, "1\r\n\r\n 2 \r\n", [1, 2]),
        (LINES, "", []),
        (CHOICE, "2", 2),
        (CHOICE, '"a"', "a"),
        (CHOICE, "", None),
        ({"type": "boolean"}, "yes", True),
        ({"type": "boolean"}, "", False),
        ({"type": ["string", "null"]}, "", None),
        ({"const": 7}, "", 7),
        ({}, '{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_what_is_typed_is_read_by_its_kind(schema: dict[str, Any], typed: str, value: Any) -> None:
    """And nothing is wrong with it."""
    posted = {"input/it": typed} if "const" not in schema else {}

    found = check(form(a(schema)), a(schema), posted)

    assert found.errors == {}
    assert canonical(found.value) == canonical({"it": value})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, {}),
        (maybe({"type": "integer"}), {}),
        ({"type": "integer", "default": 3}, {}),
        ({"type": "string", "default": "x"}, {"it": ""}),
        (maybe({"type": "integer"}) | {"default": 3}, {"it": None}),
        ({**LINES, "default": [1]}, {"it": []}),
        (maybe(GROUP), {}),
        ({"type": "boolean"}, {}),
        ({"type": "boolean", "default": True}, {"it": False}),
    ],
)
def test_what_may_be_left_empty_is_left_out(schema: dict[str, Any], value: Any) -> None:
    """Where there is a default that was emptied, emptiness is sent, if it can be."""
    optional = a(schema, required=False)

    assert check(form(optional), optional, {"input/it": ""}).value == value


@pytest.mark.parametrize(
    ("schema", "typed", "said"),
    [
        ({"type": "string"}, "", "Fill this in."),
        ({"type": "integer"}, "1.5", "“1.5” is not a whole number."),
        ({"type": "integer"}, "9" * 4000, f"“{'9' * 40}…” is not a whole number."),
        ({"type": "number"}, "NaN", "“NaN” is not a number."),
        ({"type": "number"}, "1e999", "That is too large a number."),
        ({"type": "integer", "minimum": 1}, "0", "At least 1."),
        ({"type": "number", "exclusiveMinimum": 0.0}, "0", "More than 0."),
        ({"type": "number", "multipleOf": 0.5}, "0.7", "A multiple of 0.5."),
        ({"type": "string", "maxLength": 2}, "abc", "At most 2 characters; these are 3."),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", "This must match ^[a-z]+$"),
        ({"type": "string", "format": "email"}, "ana", "This is not an e-mail address."),
        ({"type": "string", "format": "uri"}, "example", "This is not a URL, such as https://example.com."),
        ({"type": "string", "format": "date"}, "24.11.", "“24.11.” is not a date, such as 2026-11-24."),
        ({"type": "string", "format": "date-time"}, "now", "“now” is not a date and time, such as 2026-11-24T17:30."),
        (LINES, "1\nx", "“x” is not a whole number."),
        ({**LINES, "uniqueItems": True}, "1\n1", "Each entry only once."),
        ({**LINES, "minItems": 1}, "", "At least 1 entry."),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "a\nq", "“q”: One of “a”, “b”."),
        (CHOICE, '"b"', "Choose one of these."),
        ({"type": "boolean"}, "perhaps", "Tick it or leave it."),
        ({}, "{", "This is not JSON, from line 1, column 2 on: Expecting property name enclosed in double quotes."),
        ({}, '{"a": 1, "a": 2}', "This JSON cannot be taken: a name is there twice in one object."),
        ({}, "1e999", "This JSON cannot be taken: 1e999 is no number that JSON can hold."),
        ({}, "[" * 200 + "]" * 200, "This JSON cannot be taken: nested more than 100 levels deep."),
        ({}, "[" * 90_000, "This is nested too deeply."),
        ({"type": "object", "additionalProperties": LINES}, '{"n": "x"}', "n: This must be a list."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_its_field(schema: dict[str, Any], typed: str, said: str) -> None:
    """In words, and once."""
    assert check(form(a(schema)), a(schema), {"input/it": typed}).errors == {"input/it": said}


def test_every_field_that_is_wrong_is_told_of_at_once() -> None:
    """In groups too; those that are right are read."""
    schema = {"type": "object", "properties": {"it": GROUP, "n": LINES, "ok": {"type": "string"}}, "required": ["it"]}

    found = check(form(schema), schema, {"input/it/x": "", "input/n": "?", "input/ok": "yes"})

    assert found.errors == {"input/it/x": "Fill this in.", "input/n": "“?” is not a whole number."}
    assert found.value["ok"] == "yes"


@pytest.mark.parametrize("name", ["input/more", "input/it/x", "input"])
def test_a_field_that_the_form_does_not_have_is_refused(name: str) -> None:
    """It was made of another version's schema, or by hand."""
    schema = a({"type": "string"})

    found = check(form(schema), schema, {"input/it": "x", name: "y", "token": "not of the input"})

    assert found.errors == {"input": "This form has changed since it was opened: look at it again."}


def test_an_object_that_may_be_left_out_has_a_box() -> None:
    """What stands in it counts if the box is ticked."""
    schema = a(maybe(GROUP), required=False)
    made = form(schema)

    assert check(made, schema, {"input/it/x": "typed"}).value == {}
    assert check(made, schema, {"input/it/x": "typed", "input/it": "yes"}).value == {"it": {"x": "typed"}}
    assert check(made, schema, {"input/it/x": "", "input/it": "yes"}).errors == {"input/it/x": "Fill this in."}


def test_a_pattern_cannot_hold_up_the_service() -> None:
    """One that takes some engines for ever is looked for in a moment."""
    schema = a({"type": "string", "pattern": "^(a+)+$"})
    began = process_time()

    found = check(form(schema), schema, {"input/it": "a" * 5000 + "!"})

    assert found.errors == {"input/it": "This must match ^(a+)+$"}
    assert process_time() - began < 1


def test_the_whole_input_may_be_written_as_json() -> None:
    """It is checked in the same way, and an error says where it is."""
    schema = {"type": "object", "properties": {"it": {"type": "array", "items": GROUP}}}
    made = form(schema, as_json=True)

    assert check(made, schema, {"input": '{"it": [{"x": "y"}]}'}).value == {"it": [{"x": "y"}]}
    assert check(made, schema, {"input": '{"it": [{"x": 1}]}'}).errors == {"input": "it.0.x: This must be text."}
    assert check(made, schema, {"input": ""}).errors == {"input": "Fill this in."}
    assert check(form(None), None, {"input": ""}).value is None


class Line(BaseModel):
    item: str = Field(pattern=r"^[\w\n \t.-]*$")
    count: int = 1


class Basket(BaseModel):
    """A model as authors write them."""

    who: str
    note: str | None = None
    colour: Literal["red", "green", 3]
    price: Decimal
    weight: float | None = None
    paid: bool = True
    gift: bool | None = None
    day: date | None = None
    tags: list[str] = []
    counts: list[int]
    line: Line
    spare: Line | None = None
    other: dict[str, int] = {}


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"], include_characters="\n\t"), max_size=8
)
WORD = st.text("abc_-.", min_size=1, max_size=5)
LINE = st.fixed_dictionaries({"item": WORD}, optional={"count": st.integers()})
BASKET = st.fixed_dictionaries(
    {
        "who": TEXT.filter(bool),
        "colour": st.sampled_from(["red", "green", 3]),
        "price": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "counts": st.lists(st.integers(), max_size=4),
        "line": LINE,
    },
    optional={
        "note": st.none() | TEXT.filter(bool),
        "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "paid": st.booleans(),
        "gift": st.none() | st.booleans(),
        "day": st.none() | st.dates().map(date.isoformat),
        "tags": st.lists(WORD, max_size=4),
        "spare": st.none() | LINE,
        "other": st.dictionaries(TEXT, st.integers(), max_size=3),
    },
)
SCHEMA = Basket.model_json_schema()
FORM = form(SCHEMA)


@given(BASKET)
def test_a_value_comes_back_from_its_form(value: dict[str, Any]) -> None:
    """Whatever fits the model: filled in, sent by a browser and read, it means the same to the model."""
    posted = {name: text.replace("\n", "\r\n") for name, text in fill(FORM, value).items()}

    found = check(FORM, SCHEMA, posted)

    assert holds(FORM, value)
    assert found.errors == {}
    assert Basket.model_validate(found.value) == Basket.model_validate(value)


@pytest.mark.parametrize(
    "changed",
    [{"who": "a\rb"}, {"who": "a\x00b"}, {"who": ""}, {"tags": ["a\nb"]}, {"tags": [""]}, {"more": 1}, {"paid": None}],
    ids=str,
)
def test_a_value_that_a_form_would_change_is_known(changed: dict[str, Any]) -> None:
    """It is to be shown as JSON, in which it comes back as it is."""
    value = {"who": "a", "colour": 3, "price": 1, "counts": [], "line": {"item": "a"}} | changed

    assert not holds(FORM, value)
    as_json = form(SCHEMA, as_json=True)
    assert holds(as_json, value)
    assert check(as_json, None, fill(as_json, value)).value == value


def test_an_empty_form_has_the_defaults_in_it() -> None:
    """And nothing else."""
    filled = fill(FORM, MISSING)

    assert {name: text for name, text in filled.items() if text} == {
        "input/paid": "yes",
        "input/line/count": "1",
        "input/spare/count": "1",
        "input/other": "{}",
    }
