"""What a form asks for a value, as its JSON Schema describes it."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, HttpUrl

from placet_approval.inbox.forms.checking import check
from placet_approval.inbox.forms.fields import MAX_FIELDS, form
from placet_approval.inbox.forms.filling import fill, holds
from placet_approval.inbox.forms.showing import Shown, show


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


class Address(BaseModel):
    street: str = Field(min_length=1)
    zip: str | None = None


class Order(BaseModel):
    """All that a form has a field of its own for."""

    amount: int = Field(ge=1, le=500, title="How much", description="In whole euros")
    price: Decimal
    ratio: float | None = Field(default=None, gt=0)
    reason: str = Field(max_length=1000)
    mail: str = Field(json_schema_extra={"format": "email"})
    page: HttpUrl | None = None
    speed: Speed = Speed.SLOW
    kind: Literal["order"] = "order"
    gift: bool = False
    insured: bool | None = None
    day: date
    at: datetime | None = None
    tags: list[str] = []
    numbers: set[int]
    home: Address
    other_home: Address | None = None
    extra: dict[str, Any] = {}
    either: int | list[str] = 1


SHOWN = {
    "input/amount": ("integer", "How much", True),
    "input/price": ("number", "Price", True),
    "input/ratio": ("number", "Ratio", False),
    "input/reason": ("text", "Reason", True),
    "input/mail": ("text", "Mail", True),
    "input/page": ("text", "Page", False),
    "input/speed": ("choice", "Speed", False),
    "input/kind": ("fixed", "Kind", False),
    "input/gift": ("check", "Gift", False),
    "input/insured": ("choice", "Insured", False),
    "input/day": ("date", "Day", True),
    "input/at": ("moment", "At", False),
    "input/tags": ("lines", "Tags", False),
    "input/numbers": ("lines", "Numbers", True),
    "input/home": ("group", "Home", True),
    "input/home/street": ("text", "Street", True),
    "input/home/zip": ("text", "Zip", False),
    "input/other_home": ("group", "Other home", False),
    "input/other_home/street": ("text", "Street", True),
    "input/other_home/zip": ("text", "Zip", False),
    "input/extra": ("json", "Extra", False),
    "input/either": ("json", "Either", False),
}


def shown(schema: Any, typed: dict[str, str] | None = None) -> dict[str, Shown]:
    """The fields of a form as they are shown, by name."""

    def walk(field: Shown) -> list[Shown]:
        return [field, *(within for inner in field.fields for within in walk(inner))]

    made = form(schema)
    return {field.name: field for field in walk(show(made, fill(made) if typed is None else typed, {}))}


def test_each_field_of_a_model_is_asked_for_by_its_kind() -> None:
    """Titles, requirements and references are followed; what has no kind of its own is asked for as JSON."""
    made = form(Order.model_json_schema())

    fields = list(made.walk())[1:]
    assert {field.name: (field.kind, field.label, field.required) for field in fields} == SHOWN


def test_a_field_says_what_fits_in_words() -> None:
    """Bounds, defaults and what the author says of it."""
    fields = shown(Order.model_json_schema())

    assert (fields["input/amount"].help, fields["input/amount"].hint) == ("In whole euros", "1 to 500.")
    assert fields["input/ratio"].hint == "More than 0."
    assert fields["input/at"].hint == "In UTC."
    assert fields["input/tags"].hint == "One per line."
    assert fields["input/speed"].options == (('"slow"', "slow"), ('"fast"', "fast"))
    assert fields["input/speed"].text == '"slow"'
    assert fields["input/insured"].options == (("", "None"), ("true", "Yes"), ("false", "No"))
    assert fields["input/kind"].text == "order"
    assert fields["input/reason"].widget == "textarea"
    assert fields["input/mail"].attributes == {"type": "email"}
    assert fields["input/page"].attributes == {"type": "url"}
    assert fields["input/either"].text == "1"
    assert shown({"type": "object", "properties": {"n": {"type": "integer", "default": 3}}})["input/n"].hint == (
        "Left empty: 3."
    )


@pytest.mark.parametrize("schema", [None, {}, True, {"$ref": "#/$defs/gone"}, {"$ref": "https://example.com/s.json"}])
def test_what_nothing_is_known_of_is_asked_for_as_json(schema: Any) -> None:
    """Also where a reference leads nowhere, or out of the document: nothing is fetched."""
    made = form(schema)

    assert (made.kind, made.fields) == ("json", ())
    assert check(made, schema, {"input": '{"a": [1]}'}).value == {"a": [1]}


def test_a_form_stays_of_a_size_to_be_filled_in() -> None:
    """A model of too many fields is asked for as JSON, and one that holds itself ends in JSON."""
    wide = {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(MAX_FIELDS + 1)}}
    assert form(wide).kind == "json"

    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}}}
        },
    }
    made = form(tree)
    assert [field.kind for field in made.walk()][-2:] == ["text", "json"]
    assert len(list(made.walk())) < MAX_FIELDS
    twice = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {n: {"$ref": "#/$defs/Node"} for n in "abcd"}}},
    }
    assert form(twice).kind == "json"


def test_a_schema_that_leads_in_circles_is_no_trap() -> None:
    """It is asked for as JSON, and checked by whoever takes it."""
    circle = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}

    made = form(circle)

    assert made.kind == "json"
    assert check(made, circle, {"input": "1"}).errors == {}


WORDS = """type properties required items enum const anyOf oneOf allOf $ref default title description minimum maxLength
           pattern format minItems prefixItems $defs string object array integer number boolean null"""
WORD = st.sampled_from(WORDS.split()) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(WORD, JSON, max_size=5), JSON)
def test_no_schema_breaks_a_page(schema: dict[str, Any], value: Any) -> None:
    """Whatever an executor announces: there is a form, and posting it gives a value or says what is wrong."""
    made = form(schema)
    typed = fill(made, value)
    show(made, typed, {})
    holds(made, value)
    check(made, schema, typed)
