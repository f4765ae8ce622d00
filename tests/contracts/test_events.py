"""The event contracts: examples parse for ever, schemas are fresh and agree, strangers' mistakes are named."""

import json
from pathlib import Path

import jsonschema
import pytest

from placet_contracts import generate, topology
from placet_contracts.cloudevents import NotAnEvent, decode, encode, parse
from placet_contracts.events import EVENTS

EXAMPLES = sorted((generate.FOLDER / "examples").glob("*.json"))
START = {"specversion": "1.0", "id": "1", "source": "shop", "type": "workflow.start.v1", "data": {"workflow": "refund"}}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_golden_example_parses_and_fits_its_schema(path: Path) -> None:
    """An event that was ever valid stays valid, for the code and for its published schema."""
    value = json.loads(path.read_text("utf-8"))

    event = decode(value)

    schema = json.loads((generate.FOLDER / "schemas" / f"{event.type}.json").read_text("utf-8"))
    jsonschema.validate(value, schema)
    assert decode(parse(encode(event))[0]).data == event.data


def test_every_event_has_an_example_a_publisher_and_a_subscriber() -> None:
    """No event is without a golden example, or without a place in the topology."""
    assert {decode(json.loads(path.read_text("utf-8"))).type for path in EXAMPLES} == set(EVENTS)
    assert set(topology.PUBLISHERS) == set(topology.SUBSCRIBERS) == set(EVENTS)


def test_generated_files_are_fresh() -> None:
    """The committed schemas and the AsyncAPI document are those of the code."""
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id is no non-empty string"),
        ({"id": None}, "id is no non-empty string"),
        ({"type": "workflow.begin.v1"}, "unknown event type 'workflow.begin.v1'"),
        ({"data": {"workflow": "refund", "verison": 2}}, "verison: Extra inputs are not permitted"),
        ({"data": {"workflow": "refund", "run_id": "r"}}, "run_id: Extra inputs are not permitted"),
        ({"data": {"workflow": "refund", "version": "2"}}, "version: Input should be a valid integer"),
        ({"data": {"workflow": "refund", "version": 0}}, "version: Input should be greater than or equal to 1"),
        ({"data": {}}, "workflow: Field required"),
        ({"data": None}, "workflow.start.v1: data: "),
    ],
)
def test_misspelt_or_missing_is_refused_by_name(change: dict[str, object], reason: str) -> None:
    """A start message that does not fit is refused, and the reason names what is wrong."""
    with pytest.raises(NotAnEvent) as refused:
        decode(START | change)

    assert reason in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": "\xed\xa0\x80"}'])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Bytes that are no JSON are refused, never guessed at."""
    with pytest.raises(NotAnEvent):
        parse(body)


@pytest.mark.parametrize("value", [1, "x", None, []])
def test_what_is_no_object_is_refused(value: object) -> None:
    """JSON that is no object is no event."""
    with pytest.raises(NotAnEvent):
        decode(value)


def test_unknown_envelope_attributes_and_newer_fields_are_ignored() -> None:
    """Extension attributes are allowed everywhere; unknown fields are, except in a stranger's start message."""
    example = json.loads((generate.FOLDER / "examples" / "run.cancel.v1.json").read_text("utf-8"))
    example["traceparent"] = "00-1-2-03"
    example["data"]["newer"] = True

    assert decode(example).type == "run.cancel.v1"
