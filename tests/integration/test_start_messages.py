"""Starting runs by a message, as somebody would who has an AMQP client and our documentation, and nothing of ours."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from pydantic import BaseModel

from kit.product import Product, product
from kit.waiting import eventually
from placet import Context, Destination, Interrupt, Placet
from placet_contracts.events import MAX_INPUT

pytestmark = pytest.mark.asyncio(loop_scope="module")

app = Placet()

entered: defaultdict[str, int] = defaultdict(int)


class Review(BaseModel):
    text: str
    destination: Destination


@app.workflow("echo")
async def echo(ctx: Context, input: Any) -> Any:
    entered[ctx.run_id] += 1
    return input


@app.workflow("review")
async def review(ctx: Context[Review], input: Review) -> str | Interrupt:
    if not ctx.approved:
        return Interrupt.approval(message=input.text, destination=input.destination)
    return "published"


class Stranger:
    """A plain AMQP client."""

    def __init__(self, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._exchange = exchange

    async def send(self, body: bytes | object, content_type: str = "application/cloudevents+json") -> None:
        """Publish a body; what is no bytes, as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self._exchange.publish(
            aio_pika.Message(raw, content_type=content_type), routing_key="workflow.start.v1", mandatory=True
        )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("rabbit", app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stranger(placet: Product, amqp_url: str) -> AsyncIterator[Stranger]:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        yield Stranger(await channel.get_exchange(placet.running.namespace))


def start(**data: Any) -> dict[str, Any]:
    """A start as our documentation shows it."""
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "shop/orders",
        "type": "workflow.start.v1",
        "data": {"workflow": "echo", "runId": f"order-{uuid4().hex[:8]}", **data},
    }


async def appeared(placet: Product, run_id: str) -> dict[str, Any]:
    """The run, once it has ended; it may not be known yet."""

    async def known() -> bool:
        return (await placet.http.get(f"/v1/runs/{run_id}")).status_code == 200

    await eventually(known)
    return await placet.ended(run_id)


async def quarantined(placet: Product, marker: str) -> list[dict[str, Any]]:
    """What the executor has put aside that contains a text, once it has."""

    async def look() -> list[dict[str, Any]]:
        return await placet.running.query(
            "executor", "SELECT type, reason, body FROM quarantine WHERE strpos(encode(body, 'escape'), $1) > 0", marker
        )

    await eventually(look)
    return await look()


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", "application/json", ""])
async def test_a_message_starts_a_run(placet: Product, stranger: Stranger, content_type: str) -> None:
    """One JSON body is all it takes; the run is there for all to see, with its input and who asked for it."""
    event = start(input={"items": [1, 2]}, requestedBy="shop:ana")

    await stranger.send(event, content_type)

    run = await appeared(placet, event["data"]["runId"])
    assert (run["status"], run["version"], run["output"]) == ("completed", 1, {"items": [1, 2]})
    assert (run["input"], run["requestedBy"]) == ({"items": [1, 2]}, "shop:ana")


async def test_the_least_is_enough(placet: Product, stranger: Stranger) -> None:
    """A workflow's name starts a run that gets an id of ours and no input."""
    event = start(input="find me")
    del event["data"]["runId"]

    await stranger.send(event)

    async def found() -> list[dict[str, Any]]:
        runs = (await placet.http.get("/v1/runs?workflow=echo&status=completed&limit=200")).json()["items"]
        return [run for run in runs if run["input"] == "find me"]

    await eventually(found)
    [run] = await found()
    assert run["requestedBy"] is None


async def test_many_starts_go_in_one_message(placet: Product, stranger: Stranger) -> None:
    """A JSON array of events starts a run for each."""
    events = [start(input=n) for n in range(20)]

    await stranger.send(events, "application/cloudevents-batch+json")

    runs = [await appeared(placet, event["data"]["runId"]) for event in events]
    assert [run["output"] for run in runs] == list(range(20))


async def test_a_repeated_event_starts_one_run(placet: Product, stranger: Stranger) -> None:
    """The same source and id again, in one batch or in another message, changes nothing."""
    event = start(input="once")
    del event["data"]["runId"]
    last = start()

    await stranger.send([event, event])
    await stranger.send(event)
    await stranger.send(last)

    await appeared(placet, last["data"]["runId"])
    taken = await placet.running.query("executor", "SELECT id FROM runs WHERE event_id = $1", event["id"])
    assert len(taken) == 1
    await placet.ended(taken[0]["id"])
    assert entered[taken[0]["id"]] == 1


async def test_a_repeated_run_id_starts_one_run(placet: Product, stranger: Stranger) -> None:
    """The same run id with the same content is the same run, whatever the event is called."""
    event = start(input={"a": 1, "b": 2})
    run_id = event["data"]["runId"]
    again = start(runId=run_id, input={"b": 2, "a": 1})
    last = start()

    for each in (event, again, last):
        await stranger.send(each)

    await appeared(placet, last["data"]["runId"])
    assert (await appeared(placet, run_id))["status"] == "completed"
    assert entered[run_id] == 1
    kept = await placet.running.query(
        "executor", "SELECT FROM quarantine WHERE strpos(encode(body, 'escape'), $1) > 0", run_id
    )
    assert kept == []


async def test_a_message_and_the_api_may_name_the_same_run(placet: Product, stranger: Stranger) -> None:
    """A run that the API has started is not started again by a message with its id and content."""
    run_id = await placet.start("echo", "x", runId=f"both-{uuid4().hex[:8]}")
    last = start()

    await stranger.send(start(runId=run_id, input="x", requestedBy="shop:ana"))
    await stranger.send(last)

    await appeared(placet, last["data"]["runId"])
    assert (await placet.ended(run_id))["requestedBy"] in ("key:admin", "shop:ana")  # whichever was first
    assert entered[run_id] == 1


@pytest.mark.parametrize("together", [True, False])
async def test_a_run_id_with_another_input_is_refused(placet: Product, stranger: Stranger, together: bool) -> None:
    """The first content counts; the contradiction is kept with its reason, and the run goes on undisturbed."""
    event = start(input="first")
    other = start(runId=event["data"]["runId"], input="second")

    for body in [[event, other]] if together else [event, other]:
        await stranger.send(body)

    [kept] = await quarantined(placet, other["id"])
    assert (
        kept["reason"] == f"run {event['data']['runId']!r} was started before with another workflow, version or input"
    )
    assert json.loads(kept["body"])["data"]["input"] == "second"
    assert (await appeared(placet, event["data"]["runId"]))["output"] == "first"


async def test_an_event_id_with_another_input_is_refused(placet: Product, stranger: Stranger) -> None:
    """An id that its source uses twice for different things is a mistake that somebody should see."""
    event = start(input="first")
    other = {**start(input="second"), "id": event["id"]}

    await stranger.send(event)
    await appeared(placet, event["data"]["runId"])
    await stranger.send(other)

    [kept] = await quarantined(placet, other["data"]["runId"])
    assert kept["reason"].startswith(f"event {event['id']!r} of 'shop/orders' came before")


def refused(why: str, **changes: Any) -> Any:
    """A start with something wrong in its data."""
    return pytest.param({"data": {"workflow": "echo", **changes}}, why, id=next(iter(changes)).replace("\0", "nul"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        refused("workfow", workfow="echo"),
        refused("runID", runID="x"),
        refused("work\N{REPLACEMENT CHARACTER}flow", **{"work\0flow": 1}),
        refused("version", version="1"),
        refused("version", version=0),
        refused("runId", runId="no spaces"),
        refused("workflow", workflow=None),
        refused("requestedBy", requestedBy={"name": "ana"}),
        pytest.param({"data": "echo"}, "data: ", id="data"),
        pytest.param({"data": None}, "data: ", id="no data"),
        pytest.param({"specversion": "0.3"}, "specversion", id="specversion"),
        pytest.param({"source": ""}, "source", id="source"),
        pytest.param({"type": "workflow.start.v9"}, "unknown event type 'workflow.start.v9'", id="type"),
        pytest.param(
            {"type": "run.cancel.v1", "data": {"runId": "r", "cancelledBy": "x"}}, "routing key", id="another type"
        ),
    ],
)
async def test_what_is_no_start_is_kept_with_its_reason(
    placet: Product, stranger: Stranger, changes: dict[str, Any], why: str
) -> None:
    """A start with something wrong in it starts nothing and blocks nothing: it is kept and counted, once."""
    before = _counted()
    event = {**start(), **changes}
    fine = start()

    await stranger.send([event, fine])

    [kept] = await quarantined(placet, event["id"])
    assert kept["type"] == "workflow.start.v1"
    assert why in kept["reason"]
    assert json.loads(kept["body"]) == event
    assert _counted() == before + 1
    assert (await appeared(placet, fine["data"]["runId"]))["status"] == "completed"
    assert len(await quarantined(placet, event["id"])) == 1


@pytest.mark.parametrize(
    "body", [b"start it, please", b'{"specversion": "1.0", ', b"\xff\xfe\x00", b'"\\ud800"', b"[" * 500, b"17"]
)
async def test_what_is_not_even_json_is_kept_byte_by_byte(placet: Product, stranger: Stranger, body: bytes) -> None:
    """Whatever comes, it does not stop what comes after it."""
    fine = start()

    await stranger.send(body)
    await stranger.send(fine)

    assert (await appeared(placet, fine["data"]["runId"]))["status"] == "completed"
    [kept] = await placet.running.query("executor", "SELECT reason FROM quarantine WHERE body = $1", body)
    assert kept["reason"].startswith(("not JSON", "not a CloudEvent"))


async def test_what_cannot_be_stored_is_kept_too(placet: Product, stranger: Stranger) -> None:
    """Postgres takes no NUL in a text: the event that has one goes aside, and its neighbours go through."""
    event = start(requestedBy="a\0b")
    fine = start()

    await stranger.send([event, fine])

    assert (await appeared(placet, fine["data"]["runId"]))["status"] == "completed"
    await quarantined(placet, event["id"])


async def test_an_input_that_is_too_large_is_kept_and_named(placet: Product, stranger: Stranger) -> None:
    """A start message whose input has more than 2 MiB starts nothing: it is kept, and the reason gives the limit."""
    marker = uuid4().hex
    await stranger.send(start(workflow="echo", runId=marker, input=marker + "x" * MAX_INPUT))

    [kept] = await quarantined(placet, marker)
    assert "at most 2097152 are allowed" in kept["reason"]


async def test_nobody_but_us_speaks_for_us(placet: Product, stranger: Stranger) -> None:
    """A start that claims to come from the approval service is a run like any other, with its input to be seen."""
    event = {**start(input="x"), "source": "placet/approval"}

    await stranger.send(event)

    run = await appeared(placet, event["data"]["runId"])
    assert (run["status"], run["output"]) == ("completed", "x")


async def test_a_destination_in_the_input_is_told(placet: Product, stranger: Stranger) -> None:
    """A destination is JSON like the rest of an input: whoever starts the run says who is asked."""
    event = start(
        workflow="review", input={"text": "Publish?", "destination": {"type": "email", "email": "ana@example.com"}}
    )

    await stranger.send(event)

    await eventually(lambda: _status(placet, event["data"]["runId"], "paused"))
    approval = await placet.paused(event["data"]["runId"])

    async def told() -> list[dict[str, Any]]:
        shown = (await placet.approval(approval["id"]))["timeline"]
        return [entry for entry in shown if entry["kind"] == "notification"]

    await eventually(told)
    [entry] = await told()
    assert (entry["channel"], entry["recipient"]) == ("email", "ana@example.com")
    await placet.approve(approval)
    assert (await placet.ended(event["data"]["runId"]))["output"] == "published"


async def test_a_destination_that_is_none_fails_the_run(placet: Product, stranger: Stranger) -> None:
    """A destination that does not fit says so in the run's field errors."""
    event = start(workflow="review", input={"text": "Publish?", "destination": {"type": "fax", "number": "1"}})

    await stranger.send(event)

    run = await appeared(placet, event["data"]["runId"])
    assert (run["status"], run["error"]["type"]) == ("failed", "InputInvalid")
    assert run["error"]["details"][0]["loc"] == ["destination"]


def _counted() -> float:
    return (
        REGISTRY.get_sample_value("placet_quarantined_total", {"service": "executor", "type": "workflow.start.v1"})
        or 0.0
    )


async def _status(placet: Product, run_id: str, status: str) -> bool:
    answer = await placet.http.get(f"/v1/runs/{run_id}")
    return answer.status_code == 200 and answer.json()["status"] == status
