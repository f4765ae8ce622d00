"""Verifying the audit: the chain, what it covers, and whether it tells all that has happened. In constant memory."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from placet_approval.chain import GENESIS, TYPE, Head, Place, Row, Seal, Sealed, fingerprint, unpack
from placet_approval.domain import Finding
from placet_approval.store import audit, coverage
from placet_runtime.postgres import Connection
from placet_runtime.receipts import ReceiptInvalid, Verifier


@dataclass
class Report:
    """What was looked at so far."""

    began: datetime | None = None  # since when the audit covers every transition
    seals: int = 0
    rows: int = 0
    unsealed: int = 0  # rows that are so new that nothing covers them yet
    head: Head = field(default_factory=lambda: Head(0, GENESIS, None, None))


async def verify(
    conn: Connection, verifier: Verifier, heads: Sequence[str], grace: timedelta, report: Report
) -> AsyncIterator[Finding]:
    """What is wrong with the audit; nothing, if all is well.

    ``conn`` is in a transaction that sees one state of the database. ``heads`` are seals that were exported before:
    the chain must hold each of them. Rows that are younger than ``grace`` need no seal.
    """
    wanted: dict[int, list[str]] = {}
    for text in heads:
        try:
            payload = verifier.statement(TYPE, text)
            wanted.setdefault(Seal.model_validate_json(payload).seq, []).append(fingerprint(payload))
        except (ReceiptInvalid, ValidationError) as error:
            yield Finding("bad head", "given head", str(error))
    rows = _Rows(audit.rows(conn))
    async for sealed in audit.seals(conn):
        async for finding in _link(sealed, rows, verifier, report):
            yield finding
        for hash in wanted.pop(sealed.seq, ()):
            if hash != report.head.hash:
                yield Finding("replaced", f"seal {sealed.seq}", "it is not the one that was exported")
    for seq in sorted(wanted):
        yield Finding("truncated", f"seal {seq}", f"it was exported, and the chain ends at seal {report.head.seq}")
    now = await coverage.now(conn)
    async for row in rows.rest():
        report.unsealed += 1
        if abs(now - row.at) > grace:
            yield Finding("unsealed", _row(row.place), f"written at {row.at:%Y-%m-%d %H:%M:%S}Z, and not sealed since")
    report.rows = rows.seen
    async for finding in _coverage(conn, report):
        yield finding


async def _link(sealed: Sealed, rows: "_Rows", verifier: Verifier, report: Report) -> AsyncIterator[Finding]:
    """One seal, and the rows that it covers."""
    name = f"seal {sealed.seq}"
    report.seals += 1
    if sealed.seq != report.head.seq + 1:
        yield Finding("missing seal", f"seal {report.head.seq + 1}", f"the next one is {sealed.seq}")
    try:
        payload = verifier.statement(TYPE, sealed.seal)
        seal = Seal.model_validate_json(payload)
    except (ReceiptInvalid, ValidationError) as error:
        yield Finding("bad signature", name, str(error))
        report.head = Head(sealed.seq, "", None, sealed.seal)
        return
    if seal.seq != sealed.seq:
        yield Finding("broken link", name, f"it was signed as seal {seal.seq}")
    if seal.previous != report.head.hash:
        yield Finding("broken link", name, "it does not follow the seal before it")
    if fingerprint(sealed.rows) != seal.rows:
        yield Finding("altered seal", name, "its list of rows is not the one that was signed")
    report.head = Head(sealed.seq, fingerprint(payload), seal.at, sealed.seal)
    try:
        signed = dict(unpack(sealed.rows))
    except ValueError:
        return
    async for row in rows.through(seal.through):
        digest = signed.pop(row.place, None)
        if digest is None:
            yield Finding("inserted entry", _row(row.place), f"{name} does not cover it: {row.entries[:200]}")
        elif digest != row.digest:
            yield Finding("altered entry", _row(row.place), f"not as it was under {name}: {row.entries[:200]}")
    for place in signed:
        yield Finding("missing entry", _row(place), f"{name} covers it")


async def _coverage(conn: Connection, report: Report) -> AsyncIterator[Finding]:
    """Whether what has happened is what is noted."""
    beginnings = await coverage.beginnings(conn)
    if len(beginnings) != 1:
        yield Finding("no beginning", "audit", f"{len(beginnings)} rows say from when on it covers every transition")
        return
    [beginning] = beginnings
    report.began = beginning.at
    opened, resolved = await coverage.before(conn, beginning.at)
    if (opened, resolved) != (beginning.opened, beginning.resolved):
        detail = f"{opened} opened and {resolved} resolved, where it says {beginning.opened} and {beginning.resolved}"
        yield Finding("contradiction", "approvals from before the audit began", detail)
    async for gap in coverage.gaps(conn, beginning.at):
        yield gap


class _Rows:
    """The rows of the audit, read once, in order."""

    def __init__(self, rows: AsyncIterator[Row]) -> None:
        self._rows = rows
        self._next: Row | None = None
        self.seen = 0

    async def through(self, place: Place) -> AsyncIterator[Row]:
        """The next rows, up to a place."""
        while (row := await self._peek()) is not None and row.place <= place:
            self._next = None
            yield row

    async def rest(self) -> AsyncIterator[Row]:
        """Those that are left."""
        while (row := await self._peek()) is not None:
            self._next = None
            yield row

    async def _peek(self) -> Row | None:
        if self._next is None and (row := await anext(self._rows, None)) is not None:
            self.seen += 1
            self._next = row
        return self._next


def _row(place: Place) -> str:
    return f"row {place[0]}.{place[1]}"
