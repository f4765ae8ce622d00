"""The audit tells of all that has happened since it began, and of nothing else."""

import asyncpg
import pytest

from kit.ledger import Ledger, ledger, problems
from placet_approval.chain import GENESIS
from placet_approval.handlers import keys, sealing
from placet_approval.store import keys as key_store
from placet_approval.store import retention
from placet_runtime import migrations
from placet_runtime.migrations import Migration


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


async def test_what_retention_deletes_is_noted_and_missed_by_nobody(history: Ledger) -> None:
    """Approvals from before the audit began as well; one that goes by another hand is found all the same."""
    kept, *gone = await history.open(3)
    await history.decide(kept, *gone)
    async with history.deps.pool.acquire() as conn:
        old = await conn.fetchval("SELECT run_id FROM approvals ORDER BY opened_at LIMIT 1")
        await retention.delete(conn, [old, *(f"run-{id}" for id in gone)])
        assert await conn.fetchval("SELECT count(*) FROM approvals WHERE id = ANY ($1)", gone) == 0

    assert await history.verify() == []

    await history.tamper(f"DELETE FROM approvals WHERE id = '{kept}'")
    assert problems(await history.verify()) == {"missing transition"}


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


async def test_the_audit_begins_with_an_upgrade(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was before it needs no entry; what was opened before and ends after has that of its end."""
    every = migrations.of("approval")

    def before(service: str) -> list[Migration]:
        return [migration for migration in every if "audit" not in migration.name]

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "of", before)
        await migrations.apply(empty_database_url, "approval")
    conn = await asyncpg.connect(empty_database_url, server_settings={"search_path": "approval"})
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

    async with ledger(empty_database_url) as book:
        await book.decide(pending)
        await book.open()
        await book.seal()

        [began] = await book.deps.pool.fetch("SELECT entries::text FROM audit WHERE id = 1")
        assert began["entries"] == '[{"kind":"began","opened":3,"resolved":2}]'
        assert [entry["kind"] for entry in await book.entries()] == ["approved", "opened"]
        assert await book.verify(grace=0) == []
        assert (await sealing.get_head(book.deps)).hash != GENESIS
