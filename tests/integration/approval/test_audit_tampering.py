"""Nothing in the audit is altered, dropped, put in, cut off or forged unseen."""

import asyncpg
import pytest

from kit.ledger import Ledger, problems
from placet_approval.chain import TYPE, Seal, fingerprint, pack
from placet_approval.domain import Finding
from placet_approval.handlers import sealing
from placet_approval.store import audit
from placet_runtime.receipts import Signer, generate_key, unverified


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
        "UPDATE approvals SET status = 'pending', resolved_at = NULL, resolved_by = NULL, channel = NULL"
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


async def _place(book: Ledger, id: int) -> str:
    position = await book.deps.pool.fetchval("SELECT position FROM audit WHERE id = $1", id)
    return f"row {position}.{id}"
