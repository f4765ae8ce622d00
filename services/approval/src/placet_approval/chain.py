"""The chain over the audit: what a seal is, and what it says. No I/O.

A row of the audit holds the entries of one statement. A seal covers the rows that have been committed since the one
before it, in the order of their places. It is a compact JWS, signed with the key of the service; its payload names the
seal before it and the digest of all that it covers, so nothing under it can change, go or come in unseen.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import AwareDatetime

from placet_contracts.base import Model

TYPE = "placet-audit-seal"  # in the header of the JWS, so that nothing else that the key has signed is a seal
GENESIS = "0" * 64  # what the first seal names as the one before it
Place = tuple[int, int]  # of a row: the position of its transaction, and its id
FIRST: Place = (0, 0)  # before any row

_ROW = struct.Struct(">qq32s")


@dataclass(frozen=True, slots=True)
class Row:
    """The entries of one statement, as JSON text: an array of objects with a ``kind``."""

    position: int
    id: int
    at: datetime
    entries: str

    @property
    def place(self) -> Place:
        return self.position, self.id

    @property
    def digest(self) -> bytes:
        """SHA-256 of its place, its time in UTC with microseconds, and its entries as they are stored."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return hashlib.sha256(f"{self.position}.{self.id} {at} {self.entries}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A link of the chain, as it is stored."""

    seq: int
    rows: bytes  # of each row that it covers: place and digest
    seal: str


class Seal(Model):
    """What is signed."""

    seq: int
    previous: str  # `fingerprint` of the payload of the seal before
    position: int  # the place of the last row that it covers
    id: int
    count: int  # of rows
    rows: str  # `fingerprint` of their places and digests
    at: AwareDatetime

    @property
    def through(self) -> Place:
        return self.position, self.id


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: whoever keeps it can tell later whether the chain was cut, or replaced."""

    seq: int  # 0: nothing is sealed yet
    hash: str
    at: datetime | None
    seal: str | None


def fingerprint(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def pack(rows: Sequence[Row]) -> bytes:
    """Places and digests of rows."""
    return b"".join(_ROW.pack(*row.place, row.digest) for row in rows)


def unpack(packed: bytes) -> Iterator[tuple[Place, bytes]]:
    """Place and digest of each row.

    Raises:
        ValueError: that is not what was packed.
    """
    if len(packed) % _ROW.size:
        raise ValueError("not places and digests")
    for position, id, digest in _ROW.iter_unpack(packed):
        yield (position, id), digest
