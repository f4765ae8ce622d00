"""Who has opened the page of an approval stands in its timeline, until it goes with its run."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from kit.desk import Desk, asks, desk
from placet_approval.handlers import holding, retention, views
from placet_approval.store import retention as store


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Desk]:
    async with desk(database_url) as made:
        await made.know("ana")
        await made.know("bo")
        yield made


async def test_the_first_look_of_each_is_noted(office: Desk) -> None:
    """Once, however often they look; not what is looked at once it is decided, nor what is not there."""
    id = await office.ask(asks(required=2))
    office.moved.clear()
    for who in ("ana", "bo", "ana"):
        await views.note(office.deps, id, await office.caller(who))
    assert office.moved == [str(id)] * 2  # pages that show it are told
    await office.decide("ana", id)
    await office.decide("bo", id)
    await office.know("cy")
    await views.note(office.deps, id, await office.caller("cy"))
    await views.note(office.deps, uuid4(), await office.caller("cy"))

    assert [(entry.kind, entry.actor) for entry in (await office.approval(id)).timeline] == [
        ("opened", None),
        ("viewed", "user:ana"),
        ("viewed", "user:bo"),
        ("vote", "user:ana"),
        ("vote", "user:bo"),
        ("approved", "user:bo"),
    ]


async def test_it_is_deleted_with_its_run(office: Desk) -> None:
    """As is what was held; what others are asked stays."""
    id, other = await office.ask(asks("user:ana")), await office.ask(asks("user:ana"))
    for each in (id, other):
        await views.note(office.deps, each, await office.caller("ana"))
        await holding.hold(office.deps, [await office.decision("ana", each)])
    await office.decide("ana", id, "reject")
    await office.deps.pool.execute(
        "UPDATE runs SET status = 'rejected', ended_at = now() - interval '1 h' WHERE id = $1", f"run-{id}"
    )
    async with office.deps.pool.acquire() as conn:
        await store.mark_runs(conn, timedelta(minutes=1), 10)
        await conn.execute("UPDATE deleted_runs SET marked_at = now() - interval '1 h'")

    assert await retention.delete_runs(office.deps.pool, timedelta(minutes=1), 10, archive=None) == 1
    for table in ("views", "held", "approvers"):
        rows = await office.deps.pool.fetch(f"SELECT DISTINCT approval_id FROM {table}")
        assert [row["approval_id"] for row in rows] == [other]
