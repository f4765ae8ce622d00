"""Private servers from the machine's own programs, which end with the test session."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.nodes import PostgresNode, RabbitNode

_ENOUGH = 2 << 30  # bytes

# Removes a folder when the pipe closes; again, if a server that is about to end still wrote there.
_SWEEP = 'read -r _; while rm -rf "$0"; [ -e "$0" ]; do sleep 1; done'


@contextmanager
def postgres() -> Iterator[str]:
    """A Postgres of our own; its superuser's DSN."""
    with folder(_quick()) as own:
        node = PostgresNode(own / "postgres")
        try:
            asyncio.run(node.start())
            yield node.url
        finally:
            node.kill()


@contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ of our own; its AMQP URL."""
    with broker() as node:
        yield node.url


@contextmanager
def broker() -> Iterator[RabbitNode]:
    """A RabbitMQ with a node, a cookie, ports and folders of its own."""
    with folder() as own:
        node = RabbitNode(own)
        node.start()
        try:
            yield node
        finally:
            node.kill()


def _quick() -> Path:
    """Memory, where there is enough: making and dropping each test's database waits for the disk otherwise."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > _ENOUGH else Path("/tmp")


@contextmanager
def folder(place: Path = Path("/tmp")) -> Iterator[Path]:
    """A folder that other users can pass, as root runs Postgres as one of them; gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="placet-tests-", dir=place))
    made.chmod(0o755)
    sweep = subprocess.Popen(
        ["sh", "-c", _SWEEP, str(made)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield made
    finally:
        sweep.communicate()  # closes the pipe
