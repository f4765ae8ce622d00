"""Every transition has its entry, and what has been committed is sealed."""

import asyncio
from uuid import uuid4

import pytest

from kit.ledger import Ledger
from kit.waiting import eventually
from placet_approval.domain import Caller
from placet_approval.handlers import decisions, keys, runs, sealing
from placet_approval.store import approvals, audit
from placet_approval.store import keys as key_store
from placet_approval.store.approvals import Opening
from placet_contracts.events import ApprovalRequested

# --- every transition has its entry


async def test_a_decision_is_noted(book: Ledger) -> None:
    """Who, through what, on which content, with which comment; and that it was opened."""
    [id] = await book.open()
    await book.decide(id, verdict="reject", comment="too dear")

    assert await book.entries() == [
        {"kind": "opened", "approval": str(id), "digest": f"d-{id}"},
        {
            "kind": "rejected",
            "approval": str(id),
            "run": f"run-{id}",
            "gate": "g",
            "digest": f"d-{id}",
            "by": "key:ana",
            "channel": "api",
            "comment": "too dear",
        },
    ]


async def test_many_decisions_are_one_row(book: Ledger) -> None:
    """64 that commit together cost one row; a decision that changes nothing costs none."""
    ids = await book.open(64)
    await book.decide(*ids)
    await book.decide(*ids, verdict="reject")

    assert await book.deps.pool.fetchval("SELECT count(*) FROM audit") == 3  # the beginning, the opening, the decisions
    assert [entry["kind"] for entry in await book.entries()] == ["opened"] * 64 + ["approved"] * 64
    assert await book.verify() == []


async def test_an_expiry_is_noted(book: Ledger) -> None:
    """By the clock, whether it comes round or a late decision finds it."""
    [swept] = await book.open(expires_in=0)
    await decisions.expire(book.deps)
    [late] = await book.open(expires_in=0)
    await book.decide(late)

    ends = [entry for entry in await book.entries() if entry["kind"] != "opened"]
    assert [(end["kind"], end["approval"], end["by"]) for end in ends] == [
        ("expired", str(swept), "clock"),
        ("expired", str(late), "clock"),
    ]
    assert await book.verify() == []


async def test_a_cancellation_is_noted(book: Ledger) -> None:
    """By whom the run was cancelled, once however often it is asked for, and each approval that it took with it."""
    [id] = await book.open()
    for name in ("key:bo", "key:cy"):
        await runs.cancel(book.deps, f"run-{id}", Caller(name, frozenset({"admin"}), subject=name))

    cancelled = [entry for entry in await book.entries() if entry["kind"] != "opened"]
    assert [(entry["kind"], entry["run"], entry["by"]) for entry in cancelled] == [
        ("run.cancelled", f"run-{id}", "key:bo"),
        ("cancelled", f"run-{id}", "key:bo"),
    ]
    assert await book.verify() == []


async def test_one_that_opens_as_cancelled_is_noted_as_both(book: Ledger) -> None:
    """It opened, and was cancelled, in one row."""
    [id] = await book.open()
    await runs.cancel(book.deps, f"run-{id}", Caller("key:bo", frozenset({"admin"}), subject="key:bo"))
    second = ApprovalRequested(
        approval_id=uuid4(),
        run_id=f"run-{id}",
        workflow="w",
        version=1,
        gate="second",
        input=1,
        digest="d",
    )
    async with book.deps.pool.acquire() as conn, conn.transaction():
        await approvals.open_approvals(conn, [Opening(second)])

    assert [entry["kind"] for entry in (await book.entries())[-2:]] == ["opened", "cancelled"]
    assert await book.verify() == []


async def test_keys_are_noted(book: Ledger) -> None:
    """Made and revoked, with name and role, and by which role of the database; its secret is not there."""
    async with book.deps.pool.acquire() as conn:
        secret = await keys.create(conn, "ana", "approver")
        assert await key_store.revoke(conn, "ana") == "ana"
        assert await key_store.revoke(conn, "ana") is None
        user = await conn.fetchval("SELECT session_user::text")

    id = secret.split("_")[1]
    facts = {"key": id, "name": "ana", "role": "approver", "by": f"db:{user}"}
    assert await book.entries() == [{"kind": "key.created", **facts}, {"kind": "key.revoked", **facts}]
    assert await book.verify() == []


async def test_a_transition_that_is_rolled_back_leaves_no_entry(book: Ledger) -> None:
    """They commit together, or not at all; the hole that it leaves is no finding."""
    async with book.deps.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await keys.create(conn, "ana", "approver")
        await transaction.rollback()
    await book.open()
    await book.seal()

    assert [entry["kind"] for entry in await book.entries()] == ["opened"]
    assert await book.verify() == []


# --- sealing


async def test_what_commits_late_is_sealed_after_all(book: Ledger) -> None:
    """A row that was written first and commits last holds back what is behind it, and is never passed by."""
    await book.seal()
    async with book.deps.pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await keys.create(slow, "slow", "viewer")
        await book.open()
        await sealing.seal(book.deps)
        assert (await sealing.get_head(book.deps)).seq == 1  # nothing more than the beginning
        await transaction.commit()
    await book.seal()

    assert await book.verify(grace=0) == []
    assert len(await book.entries()) == 2


async def test_sealers_do_not_get_in_each_others_way(book: Ledger) -> None:
    """Several replicas that seal at once, while there is more to seal, make one chain."""

    async def work() -> None:
        for _ in range(10):
            await book.decide(*await book.open(3))

    async def seal() -> None:
        for _ in range(25):
            await sealing.seal(book.deps)

    await asyncio.gather(work(), work(), seal(), seal(), seal())
    await book.seal()

    assert await book.verify(grace=0) == []
    assert len(await book.entries()) == 2 * 2 * 10 * 3


async def test_sealing_keeps_up_in_batches(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog goes in one round, a bounded number of rows a seal, in as many seals as that takes."""
    monkeypatch.setattr(sealing, "_BATCH", 10)
    for _ in range(34):
        await book.open()
    await eventually(lambda: _all_settled(book, 35))
    await sealing.seal(book.deps)

    found = await book.deps.pool.fetch("SELECT length(rows) / 48 AS rows FROM audit_seals ORDER BY seq")
    assert [row["rows"] for row in found] == [10, 10, 10, 5]
    assert await book.verify(grace=0) == []


async def test_a_round_with_nothing_to_seal_writes_nothing(history: Ledger) -> None:
    """The chain grows with what happens, not with time."""
    before = (await sealing.get_head(history.deps)).seq
    await sealing.seal(history.deps)

    assert (await sealing.get_head(history.deps)).seq == before


async def test_a_restored_database_goes_on(book: Ledger) -> None:
    """From a dump, in a cluster whose transaction ids are a million behind: new rows come behind the old ones."""
    await book.tamper("SELECT setval('audit_shift', 1000000)")
    [id] = await book.open()
    await book.seal()
    await book.tamper("SELECT setval('audit_shift', 0)")

    await sealing.align(book.deps)
    await book.decide(id)
    await sealing.align(book.deps)  # which has nothing left to do
    await book.open()
    await book.seal()

    rows = await book.deps.pool.fetch("SELECT position FROM audit ORDER BY id")
    assert [row["position"] for row in rows] == sorted(row["position"] for row in rows)
    assert await book.verify(grace=0) == []


async def _all_settled(book: Ledger, rows: int) -> bool:
    async with book.deps.pool.acquire() as conn:
        return len(await audit.settled(conn, (0, 0), 1000)) == rows
