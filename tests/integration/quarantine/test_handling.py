"""What a service cannot take in is seen at the approval service, and replayed or discarded from there."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from kit.messages import Messages, app, forge, keep, send, start, tables
from kit.product import Product, problem, product
from kit.stack import BusKind
from kit.waiting import eventually
from placet_contracts.events import MessageQuarantined, QuarantineHandle
from placet_contracts.topology import SERVICES, Service
from placet_runtime.cli import commands

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


def new() -> str:
    return f"run-{uuid4().hex[:8]}"


async def entries(placet: Product, id: str) -> list[dict[str, Any]]:
    """What the audit says of a message."""
    rows = await placet.running.query(
        "approval", "SELECT e.entry::text FROM audit AS a, json_array_elements(a.entries) AS e (entry) ORDER BY a.id"
    )
    return [json.loads(row["entry"]) for row in rows if id in row["entry"]]


@pytest.mark.parametrize("kind", get_args(BusKind))
async def test_from_a_message_that_cannot_be_read_to_a_run(kind: BusKind, postgres_url: str, amqp_url: str) -> None:
    """On either bus: what the executor refuses is seen, refused once more on replay, and taken in when it can be."""
    async with product(kind, app, postgres_url, amqp_url) as placet:
        messages = Messages(placet)
        run = new()
        await send(placet.running, "workflow.start.v1", start(run, verison=2))

        seen = await messages.with_event(f"start-{run}")
        assert (seen["service"], seen["eventType"], seen["source"]) == ("executor", "workflow.start.v1", "shop")
        assert "verison: Extra inputs are not permitted" in seen["reason"]
        one = await messages.get("executor", seen["id"])
        assert one is not None
        assert json.loads(one["body"])["data"]["verison"] == 2

        asked = await messages.ask("replay", "executor", seen["id"])
        assert (asked["asked"], asked["askedBy"]) == ("replay", "key:admin")
        again = await messages.becomes("executor", seen["id"], asked=None, refusedAt=True)
        assert (again["outcome"], again["askedBy"]) == (None, "key:admin")

        async with tables(placet.running, "executor") as conn:  # as if a newer executor knew the field
            await conn.execute("UPDATE quarantine SET body = $1", start(run))
        await messages.ask("replay", "executor", seen["id"])
        done = await messages.becomes("executor", seen["id"], outcome="replayed", releasedBy="key:admin")
        assert done["body"] == ""
        assert (await placet.ended(run))["output"] == 1
        assert await messages.listed() == []


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_tells_and_does_what_is_asked(
    placet: Product, messages: Messages, service: Service
) -> None:
    """The approval service itself as well: seen, deleted where it lies, and shown as gone."""
    id = await keep(placet.running, service, b"\xff\x00 no JSON " + uuid4().bytes, "not JSON", "dead")
    seen = await messages.becomes(service, id, eventType="dead", reason="not JSON", source=None, eventId=None)
    assert seen["body"].startswith("\N{REPLACEMENT CHARACTER}" * 2)
    assert id in {each["id"] for each in await messages.listed(service=service)}
    assert {each["service"] for each in await messages.listed(service=service)} == {service}

    await messages.ask("discard", service, id)

    await messages.becomes(service, id, outcome="discarded", releasedBy="key:admin", body="")
    assert await placet.running.query(service, "SELECT FROM quarantine WHERE id = $1", UUID(id)) == []
    assert id not in {each["id"] for each in await messages.listed()}


async def test_what_the_approval_service_refused_is_taken_in_again(placet: Product, messages: Messages) -> None:
    """By the same buttons as what the others keep."""
    run = new()
    event = {
        "specversion": "1.0",
        "id": f"changed-{run}",
        "source": "placet/executor",
        "type": "run.changed.v1",
        "data": {"runId": run, "seq": 1, "status": "ready", "workflow": "echo", "version": 1}
        | {"at": "2026-11-24T12:00:00Z"},
    }
    id = await keep(placet.running, "approval", json.dumps(event).encode(), "it was tired", "run.changed.v1")
    await messages.becomes("approval", id, asked=None)

    await messages.ask("replay", "approval", id)

    await messages.becomes("approval", id, outcome="replayed", releasedBy="key:admin")
    assert (await placet.run(run))["status"] == "ready"


async def test_a_message_that_says_much_is_told_in_part(placet: Product, messages: Messages) -> None:
    """The first 16 KiB, with its attributes, and that there is more; the service keeps all of it."""
    body = start(new(), id="long", input="\N{GRINNING FACE}" * 50_000)
    id = await keep(placet.running, "executor", body, "too long a story")

    seen = await messages.becomes("executor", id, eventId="long", source="shop", truncated=True, size=len(body))
    assert 16_000 < len(seen["body"]) <= 16 * 1024


async def test_what_a_command_does_is_seen(placet: Product, messages: Messages) -> None:
    """Discarded on the machine by an operator: gone here too, and it is told that it was not from here."""
    id = await keep(placet.running, "notifier", b"x", "not JSON")
    await messages.becomes("notifier", id, outcome=None)
    environment = {"PLACET_DATABASE_URL": placet.running.database_url}
    done = await asyncio.to_thread(
        CliRunner().invoke, commands, ["quarantine", "discard", "notifier", id], env=environment
    )
    assert done.exit_code == 0, done.output

    found = await messages.becomes("notifier", id, outcome="discarded")
    assert found["releasedBy"].startswith("db:")
    [noted] = await entries(placet, id)
    assert (noted["kind"], noted["by"]) == ("quarantine.discarded", found["releasedBy"])


async def test_the_same_message_may_come_back(placet: Product, messages: Messages) -> None:
    """Discarded, and sent again: it is there again, with nothing asked of it."""
    body = start(new(), verison=3)
    id = await keep(placet.running, "executor", body, "misspelt")
    await messages.becomes("executor", id, outcome=None)
    await messages.ask("discard", "executor", id)
    await messages.becomes("executor", id, outcome="discarded")

    assert await keep(placet.running, "executor", body, "misspelt") == id
    found = await messages.becomes("executor", id, outcome=None)
    assert [found[name] for name in ("asked", "askedBy", "refusedAt", "releasedBy")] == [None] * 4
    assert json.loads(found["body"])["data"]["verison"] == 3


async def test_two_who_want_different_things(placet: Product, messages: Messages) -> None:
    """The first one has it; the same again is no error, and the other is told who was first."""
    id = await keep(placet.running, "executor", start(new(), verison=1), "misspelt")
    await messages.becomes("executor", id, outcome=None)
    await placet.running.stop("executor")
    try:
        first = await messages.ask("discard", "executor", id)
        assert await messages.ask("discard", "executor", id) == first
        refused = await placet.http.post(f"/v1/quarantine/executor/{id}/replay")
        assert "key:admin has asked to discard" in problem(refused, 409, "already-asked")["detail"]
        assert (await messages.get("executor", id) or {})["asked"] == "discard"
    finally:
        await placet.running.start("executor")

    await messages.becomes("executor", id, outcome="discarded")
    await messages.ask("discard", "executor", id)
    refused = await placet.http.post(f"/v1/quarantine/executor/{id}/replay")
    assert "was discarded by key:admin" in problem(refused, 409, "already-released")["detail"]


async def test_asking_about_what_has_gone_is_no_error(placet: Product, messages: Messages) -> None:
    """Deleted behind everybody's back: the service says that it is not there, and it is shown no more."""
    id = await keep(placet.running, "executor", b"nobody knows", "not JSON")
    await messages.becomes("executor", id, outcome=None)
    async with tables(placet.running, "executor") as conn:
        await conn.execute("DELETE FROM quarantine WHERE id = $1", UUID(id))

    await messages.ask("replay", "executor", id)

    await messages.becomes("executor", id, outcome="discarded", releasedBy=None)


async def test_only_the_approval_service_gives_orders(placet: Product, messages: Messages) -> None:
    """An order in another's name has no effect, and is kept to look at."""
    id = await keep(placet.running, "executor", b"precious", "not JSON")
    await messages.becomes("executor", id, outcome=None)
    [row] = await placet.running.query("executor", "SELECT seq FROM quarantine WHERE id = $1", UUID(id))
    order = QuarantineHandle(service="executor", message_id=UUID(id), seq=row["seq"], action="discard", by="user:eve")

    for source in ("placet/notifier", "shop"):
        forged = await forge(placet.running, source, order)
        for service in ("executor", "notifier"):
            refused = await messages.with_event(forged, service=service)
            assert refused["eventType"] == order.type
            assert "the approval service alone does" in refused["reason"]

    assert len(await placet.running.query("executor", "SELECT FROM quarantine WHERE id = $1", UUID(id))) == 1


async def test_a_service_tells_of_its_own_alone(placet: Product, messages: Messages) -> None:
    """What is told in another's name is kept by the approval service, shown as its own, and tells of nothing more."""
    told = MessageQuarantined(
        service="notifier",
        message_id=uuid4(),
        seq=1,
        event_type="dead",
        reason="made up",
        at=datetime.now(UTC),
        size=1,
        body="x",
    )
    forged = await forge(placet.running, "placet/executor", told)

    refused = await messages.with_event(forged)
    assert (refused["service"], refused["eventType"]) == ("approval", told.type)
    assert await messages.get("notifier", str(told.message_id)) is None
    await messages.ask("replay", "approval", refused["id"])
    await messages.becomes("approval", refused["id"], refusedAt=True)
    assert len([each for each in await messages.listed(service="approval") if each["eventId"] == forged]) == 1


async def test_pages_and_filters(placet: Product, messages: Messages) -> None:
    """The latest first, each once, whatever the size of a page; by service and by type."""
    type = "approval.opened.v1"
    ids = [await keep(placet.running, "notifier", f"page {n}".encode(), "a page", type) for n in range(5)]

    async def told() -> bool:
        return len(await messages.listed(type=type)) == 5

    await eventually(told)
    found: list[str] = []
    query = {"service": "notifier", "type": type, "limit": "2"}
    while True:
        page = (await placet.http.get("/v1/quarantine", params=query)).json()
        assert all("body" not in item for item in page["items"])
        found += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert found == ids[::-1]
    assert await messages.listed(service="executor", type=type) == []
    problem(await placet.http.get("/v1/quarantine?service=nobody"), 422, "invalid-request")
    problem(await placet.http.get("/v1/quarantine?cursor=x"), 422, "invalid-request")
    problem(await placet.http.get(f"/v1/quarantine/nobody/{ids[0]}"), 404, "not-found")


async def test_who_asked_for_what_is_in_the_audit(placet: Product, messages: Messages) -> None:
    """Once, when it is asked for; the chain holds."""
    id = await keep(placet.running, "executor", b"for the record", "not JSON")
    await messages.becomes("executor", id, outcome=None)
    await messages.ask("discard", "executor", id)
    await messages.ask("discard", "executor", id)
    await messages.becomes("executor", id, outcome="discarded")

    assert await entries(placet, id) == [
        {
            "kind": "quarantine.discard",
            "service": "executor",
            "message": id,
            "type": "workflow.start.v1",
            "by": "key:admin",
        }
    ]
