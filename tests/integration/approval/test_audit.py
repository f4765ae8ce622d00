"""The audit: every transition has its entry, and nothing is altered, dropped, put in, cut off or forged unseen."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from kit.ledger import Ledger, ledger, problems
from kit.waiting import eventually
from placet_approval.chain import GENESIS, TYPE, Seal, fingerprint, pack
from placet_approval.domain import Caller, Finding
from placet_approval.handlers import decisions, keys, runs, sealing
from placet_approval.store import approvals, audit
from placet_approval.store import keys as key_store
from placet_contracts.events import ApprovalRequested
from placet_runtime import migrations
from placet_runtime.migrations import Migration
from placet_runtime.receipts import Signer, generate_key, unverified


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Ledger]:
    """A database on which nothing has happened yet."""
    async with ledger(database_url) as made:
        yield made


@pytest.fixture
async def history(book: Ledger) -> Ledger:
    """Three seals: over the beginning, over two approvals that open, over their ends."""
    await book.seal()
    one, two = [*await book.open(), *await book.open()]
    await book.seal()
    await book.decide(one)
    await book.decide(two, verdict="reject", comment="no")
    await book.seal()
    assert await book.verify() == []
    return book


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
        await runs.cancel(book.deps, f"run-{id}", Caller(name, "admin"))

    cancelled = [entry for entry in await book.entries() if entry["kind"] != "opened"]
    assert [(entry["kind"], entry["run"], entry["by"]) for entry in cancelled] == [
        ("run.cancelled", f"run-{id}", "key:bo"),
        ("cancelled", f"run-{id}", "key:bo"),
    ]
    assert await book.verify() == []


async def test_one_that_opens_as_cancelled_is_noted_as_both(book: Ledger) -> None:
    """It opened, and was cancelled, in one row."""
    [id] = await book.open()
    await runs.cancel(book.deps, f"run-{id}", Caller("key:bo", "admin"))
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
        await approvals.open_approvals(conn, [second])

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
    with pytest.raises(RuntimeError, match="no"):
        async with book.deps.pool.acquire() as conn, conn.transaction():
            await keys.create(conn, "ana", "approver")
            raise RuntimeError("no")
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


# --- tampering


@pytest.mark.parametrize("table", ["audit", "audit_seals"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_tables_only_grow(history: Ledger, table: str, statement: str) -> None:
    """Whoever has not taken the triggers off can neither change nor delete."""
    column = {"audit": "entries", "audit_seals": "seal"}[table]
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="the audit only grows"):
        await history.deps.pool.execute(statement.format(table, column, column))


async def test_an_altered_entry_is_found(history: Ledger) -> None:
    """Another actor in an entry: the row is named, and the approval contradicts it too."""
    await history.tamper("UPDATE audit SET entries = replace(entries::text, 'key:ana', 'key:eve')::json WHERE id = 4")

    findings = await history.verify()
    assert [finding for finding in findings if finding.problem == "altered entry"] == [
        Finding("altered entry", await _place(history, 4), findings[0].detail)
    ]
    assert problems(findings) == {"altered entry", "contradiction"}


async def test_an_entry_altered_with_its_approval_is_found(history: Ledger) -> None:
    """Both say the same, and still the row is not what was sealed."""
    await history.tamper(
        "UPDATE audit SET entries = replace(entries::text, 'key:ana', 'key:eve')::json",
        "UPDATE approvals SET resolved_by = 'key:eve'",
    )

    assert problems(await history.verify()) == {"altered entry"}


async def test_an_altered_time_is_found(history: Ledger) -> None:
    """When it was is part of what is sealed."""
    await history.tamper("UPDATE audit SET at = at - interval '1 microsecond' WHERE id = 4")

    assert problems(await history.verify()) == {"altered entry"}


async def test_a_dropped_entry_is_found(history: Ledger) -> None:
    """From the middle, and with its approval, so that only the chain knows."""
    place = await _place(history, 2)
    [row] = await history.deps.pool.fetch("SELECT entries->0->>'approval' AS id FROM audit WHERE id = 2")
    await history.tamper("DELETE FROM audit WHERE id = 2", f"DELETE FROM approvals WHERE id = '{row['id']}'")

    assert Finding("missing entry", place, "seal 2 covers it") in await history.verify()


async def test_an_entry_put_in_is_found(history: Ledger) -> None:
    """Between rows that are sealed, or before all."""
    await history.tamper("INSERT INTO audit (position, entries) SELECT position, '[]' FROM audit WHERE id = 2")
    await history.tamper("INSERT INTO audit (position, entries) VALUES (1, '[]')")

    assert [finding.problem for finding in await history.verify()] == ["inserted entry", "inserted entry"]


async def test_swapped_entries_are_found(history: Ledger) -> None:
    """Two rows that change places are both named."""
    await history.tamper(
        "UPDATE audit AS a SET entries = b.entries FROM audit AS b WHERE a.id IN (4, 5) AND b.id = 9 - a.id"
    )

    findings = await history.verify()
    assert [finding.where for finding in findings] == [await _place(history, 4), await _place(history, 5)]
    assert problems(findings) == {"altered entry"}


async def test_swapped_seals_are_found(history: Ledger) -> None:
    """A seal has its number in what is signed."""
    await history.tamper(
        "UPDATE audit_seals AS a SET seal = b.seal, rows = b.rows FROM audit_seals AS b"
        " WHERE a.seq IN (2, 3) AND b.seq = 5 - a.seq"
    )

    assert "broken link" in problems(await history.verify())


async def test_a_dropped_seal_is_found(history: Ledger) -> None:
    """With the rows that it covered, or without."""
    await history.tamper("DELETE FROM audit_seals WHERE seq = 2")

    findings = await history.verify()
    assert {"missing seal", "broken link", "inserted entry"} == problems(findings)


async def test_a_rewritten_list_of_rows_is_found(history: Ledger) -> None:
    """An entry altered, and its digest in the seal with it: the list is not the one that was signed."""
    await history.tamper("UPDATE audit SET entries = replace(entries::text, 'key:ana', 'key:eve')::json WHERE id = 4")
    async with history.deps.pool.acquire() as conn, conn.transaction():
        rows = [row async for row in audit.rows(conn) if row.id in (4, 5)]
    await history.tamper(f"UPDATE audit_seals SET rows = '\\x{pack(rows).hex()}' WHERE seq = 3")

    assert {"altered seal", "contradiction"} == problems(await history.verify())


async def test_a_forged_seal_is_found(history: Ledger) -> None:
    """Made anew, consistent in itself, with another key."""
    await history.tamper("UPDATE audit SET entries = replace(entries::text, 'key:ana', 'key:eve')::json WHERE id = 4")
    async with history.deps.pool.acquire() as conn, conn.transaction():
        seals = [seal async for seal in audit.seals(conn)]
        rows = [row async for row in audit.rows(conn) if row.id in (4, 5)]
    said = Seal.model_validate_json(unverified(seals[2].seal))
    forged = said.model_copy(update={"rows": fingerprint(pack(rows))})
    seal = Signer(generate_key()).statement(TYPE, forged.model_dump_json(by_alias=True).encode())
    await history.tamper(f"UPDATE audit_seals SET rows = '\\x{pack(rows).hex()}', seal = '{seal}' WHERE seq = 3")

    assert "bad signature" in problems(await history.verify())


async def test_a_chain_of_another_service_is_found(history: Ledger) -> None:
    """Whole, but signed with a key that the auditor does not know."""
    findings = await history.verify(key=generate_key())

    assert [finding.where for finding in findings if finding.problem == "bad signature"] == [
        "seal 1",
        "seal 2",
        "seal 3",
    ]


async def test_a_receipt_is_no_seal(history: Ledger) -> None:
    """What the same key has signed for another end does not count."""
    receipt = history.deps.signer.statement("something-else", b"{}")

    assert problems(await history.verify(receipt)) == {"bad head"}


async def test_a_tail_that_is_cut_off_is_found(history: Ledger) -> None:
    """Rows and seals gone: their approvals tell of it; gone too, or pending again, the exported head does."""
    head = (await sealing.get_head(history.deps)).seal
    assert head is not None
    await history.tamper("DELETE FROM audit WHERE id >= 4", "DELETE FROM audit_seals WHERE seq = 3")
    assert problems(await history.verify()) == {"missing entry"}

    await history.tamper(
        "UPDATE approvals SET status = 'pending', resolved_at = NULL, resolved_by = NULL, channel = NULL, comment = NULL"
    )

    assert await history.verify() == []
    assert await history.verify(head) == [
        Finding("truncated", "seal 3", "it was exported, and the chain ends at seal 2")
    ]


async def test_a_chain_that_was_replaced_is_found(history: Ledger) -> None:
    """Cut off and sealed anew with the right key, it is not what was exported."""
    head = (await sealing.get_head(history.deps)).seal
    assert head is not None
    await history.tamper("DELETE FROM audit_seals WHERE seq = 3")
    await history.seal()

    assert await history.verify() == []
    assert problems(await history.verify(head)) == {"replaced"}


async def test_an_emptied_audit_is_found(history: Ledger) -> None:
    """Nothing at all is not nothing wrong."""
    await history.tamper("TRUNCATE audit, audit_seals")

    assert problems(await history.verify()) == {"no beginning"}


# --- coverage


async def test_a_resolution_without_its_entry_is_found(history: Ledger) -> None:
    """Written into the table by hand."""
    [id] = await history.open()
    await history.tamper(
        "UPDATE approvals SET status = 'approved', resolved_at = now(), resolved_by = 'key:eve', channel = 'api'"
        f" WHERE id = '{id}'"
    )

    [finding] = await history.verify()
    assert (finding.problem, finding.where) == ("missing entry", f"approved {id}")


async def test_an_entry_without_its_resolution_is_found(history: Ledger) -> None:
    """A decision that was undone, an approval that was deleted, a decision turned round."""
    one, two, three = await history.open(3)
    await history.decide(one, two, three)
    undone = "status = 'pending', resolved_at = NULL, resolved_by = NULL, channel = NULL"
    await history.tamper(
        f"UPDATE approvals SET {undone} WHERE id = '{one}'",
        f"DELETE FROM approvals WHERE id = '{two}'",
        f"UPDATE approvals SET status = 'rejected' WHERE id = '{three}'",
    )

    assert {(finding.problem, finding.where) for finding in await history.verify()} == {
        ("missing transition", f"approved {one}"),
        ("missing transition", f"approved {two}"),
        ("missing transition", f"opened {two}"),
        ("missing transition", f"approved {three}"),
        ("missing entry", f"rejected {three}"),
    }


@pytest.mark.parametrize(
    "change", ["digest = 'other'", "resolved_by = 'key:eve'", "comment = 'other'", "channel = 'x'", "gate = 'other'"]
)
async def test_a_resolution_that_its_entry_contradicts_is_found(history: Ledger, change: str) -> None:
    """Each fact of a resolution counts."""
    await history.tamper(f"UPDATE approvals SET {change}")

    assert problems(await history.verify()) == {"contradiction"}


async def test_a_resolution_dated_back_is_found(history: Ledger) -> None:
    """Put before the beginning, where no entry is asked for: there were not so many then."""
    [id] = await history.open()
    await history.tamper(
        "UPDATE approvals SET status = 'approved', resolved_at = 'epoch', resolved_by = 'key:eve', channel = 'api'"
        f" WHERE id = '{id}'"
    )

    [finding] = await history.verify()
    assert (finding.problem, finding.where) == ("contradiction", "approvals from before the audit began")


async def test_keys_and_cancellations_are_covered(history: Ledger) -> None:
    """A key that was put in, one that is valid again, a cancellation that nobody asked for."""
    async with history.deps.pool.acquire() as conn:
        await keys.create(conn, "ana", "viewer")
        await key_store.revoke(conn, "ana")
    [id] = await history.open()
    await history.tamper(
        "UPDATE api_keys SET revoked_at = NULL, role = 'admin'",
        "INSERT INTO api_keys (id, name, role, hash) VALUES ('eve', 'eve', 'admin', '')",
        f"UPDATE runs SET cancelled_by = 'key:eve' WHERE id = 'run-{id}'",
    )

    found = {(finding.problem, finding.where.split()[0]) for finding in await history.verify()}
    assert found == {
        ("contradiction", "key.created"),
        ("missing transition", "key.revoked"),
        ("missing entry", "key.created"),
        ("missing entry", "run.cancelled"),
    }


async def test_new_rows_may_be_without_a_seal_and_old_ones_not(history: Ledger) -> None:
    """The loop seals within a second; what has waited longer was held back, or nobody seals."""
    await history.open()

    assert await history.verify() == []
    assert problems(await history.verify(grace=0)) == {"unsealed"}


async def test_the_audit_begins_with_an_upgrade(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was before it needs no entry; what was opened before and ends after has that of its end."""
    every = migrations.of("approval")

    def before(service: str) -> list[Migration]:
        return [migration for migration in every if "audit" not in migration.name]

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "of", before)
        await migrations.apply(database_url, "approval")
    conn = await asyncpg.connect(database_url, server_settings={"search_path": "approval"})
    await conn.execute(
        """
        INSERT INTO approvals (id, run_id, workflow, version, gate, status, input, digest, notified)
        SELECT gen_random_uuid(), 'run-' || n, 'w', 1, 'g', 'pending', '1', 'd', false FROM generate_series(1, 3) AS n;
        UPDATE approvals SET status = 'approved', resolved_at = now(), resolved_by = 'key:ana', channel = 'api'
         WHERE run_id <> 'run-3';
        """
    )
    pending = await conn.fetchval("SELECT id FROM approvals WHERE status = 'pending'")
    await conn.close()

    async with ledger(database_url) as book:
        await book.decide(pending)
        await book.open()
        await book.seal()

        [began] = await book.deps.pool.fetch("SELECT entries::text FROM audit WHERE id = 1")
        assert began["entries"] == '[{"kind":"began","opened":3,"resolved":2}]'
        assert [entry["kind"] for entry in await book.entries()] == ["approved", "opened"]
        assert await book.verify(grace=0) == []
        assert (await sealing.get_head(book.deps)).hash != GENESIS


async def _place(book: Ledger, id: int) -> str:
    position = await book.deps.pool.fetchval("SELECT position FROM audit WHERE id = $1", id)
    return f"row {position}.{id}"


async def _all_settled(book: Ledger, rows: int) -> bool:
    async with book.deps.pool.acquire() as conn:
        return len(await audit.settled(conn, (0, 0), 1000)) == rows
