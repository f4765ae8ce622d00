"""Which of several Postgres servers to use: the one that takes writes, and for as long as it does."""

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

if TYPE_CHECKING:
    from placet_runtime.postgres import Connection

_TIMEOUT = 10.0  # seconds, to connect
_TIMEOUT_OF_EACH = 3.0  # where there is another host to try
_SILENT_FOR = 10_000  # milliseconds, after which what a server has not even received is taken for lost

# What one host can say while another may do: a standby that lags also does not know a database, role or password yet.
_ELSEWHERE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class NoneTakesWrites(ConnectionError):
    """Raised when no host of several can be reached and written to; it says what each has answered."""


class Hosts:
    """The servers that a DSN names, ``postgresql://user@host-a,host-b/placet``; the last good one is tried first."""

    def __init__(self, dsn: str) -> None:
        self._dsns = split(dsn)

    async def connect(self, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
        """Connect to a server that takes writes; ``options`` are those of `asyncpg.connect`.

        asyncpg alone would spend all of its time on a first host that does not answer.

        Raises:
            NoneTakesWrites: none of several does. Of a single one, it is the error itself.
        """
        if len(self._dsns) == 1:
            return await _connect(self._dsns[0], _TIMEOUT, options)
        answers = []
        for dsn in list(self._dsns):
            try:
                conn = await _connect(dsn, _TIMEOUT_OF_EACH, options)
            except _ELSEWHERE as error:
                answers.append(f"{_host(dsn)}: {str(error) or type(error).__name__}")
                continue
            self._dsns.remove(dsn)
            self._dsns.insert(0, dsn)
            return conn
        raise NoneTakesWrites("; ".join(answers))


def split(dsn: str) -> list[str]:
    """A DSN for each host that is named before the database.

    Raises:
        ValueError: it is none, or asks for a server that takes no writes.
    """
    parts = urlsplit(dsn)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("not a Postgres URL: postgresql://user:password@host:5432/database, or host-a,host-b for host")
    user, at, hosts = parts.netloc.rpartition("@")
    found = hosts.split(",")
    if len(found) > 1 and not all(found):
        raise ValueError("a host is missing beside a comma: postgresql://user@host-a:5432,host-b:5432/database")
    if any(asked not in ("read-write", "primary", "any") for asked in _asked(parts.query)):
        raise ValueError("services write: target_session_attrs can be read-write and nothing else")
    if len(found) == 1:
        return [dsn]
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in found]


def takes_writes(conn: "Connection") -> bool:
    """What the server said last, with no need to ask: it tells when that changes (Postgres 14 and newer)."""
    settings = conn.get_settings()
    return "on" not in (getattr(settings, name, "off") for name in ("in_hot_standby", "default_transaction_read_only"))


async def _connect(dsn: str, within: float, options: dict[str, Any]) -> "asyncpg.Connection[asyncpg.Record]":
    conn: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn, timeout=within, **options, target_session_attrs=asyncpg.connect_utils.SessionAttribute.read_write
    )
    _notice_silence(conn)
    return conn


def _notice_silence(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have the system end a connection whose other end is gone without a word, long before a statement's time is up."""
    transport = getattr(conn, "_transport", None)  # asyncpg has no public way to it
    found: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
    if found is not None and found.family != getattr(socket, "AF_UNIX", None) and hasattr(socket, "TCP_USER_TIMEOUT"):
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_FOR)


def _asked(query: str) -> Sequence[str]:
    return parse_qs(query).get("target_session_attrs", [])


def _host(dsn: str) -> str:
    return urlsplit(dsn).netloc.rpartition("@")[2]
