"""Private servers from the machine's own programs, which end with the test session."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit import debian
from kit.outcome import CannotBeHad
from kit.rabbitmq import answers
from placet_standalone.binaries import EmbeddedPostgresError
from placet_standalone.postgres import embedded

# Runs a server, and the daemon by which Erlang finds nodes, until one of them ends: the server, or this session, which
# closes the pipe on standard input however its end comes. Then kills all: nothing in there is to be kept.
_GUARD = """
exec 3<&0 </dev/null >"$LOG" 2>&1
epmd 3<&- &
"$@" 3<&- & server=$!
(read -r _ <&3; kill -KILL 0) &
exec 3<&-
wait $server
kill -KILL 0
"""

# Removes a folder when the pipe closes; again, if a server that is about to end still wrote there.
_SWEEP = 'read -r _; while rm -rf "$0"; [ -e "$0" ]; do sleep 1; done'


@contextmanager
def postgres() -> Iterator[str]:
    """The embedded Postgres of the product; its superuser's DSN."""
    with _folder() as folder, asyncio.Runner() as runner:
        server = embedded(folder / "postgres")
        try:
            dsn = runner.run(server.__aenter__())
        except EmbeddedPostgresError as error:
            raise CannotBeHad(str(error)) from error
        try:
            yield dsn
        finally:
            runner.run(server.__aexit__(None, None, None))


@dataclass(frozen=True)
class Broker:
    """A RabbitMQ of our own, and the way to tell it things that no client can."""

    url: str
    program: Path
    environment: Mapping[str, str]

    def control(self, *words: str) -> str:
        """What ``rabbitmqctl`` says."""
        tool = self.program.with_name("rabbitmqctl")
        done = subprocess.run(
            [str(tool), "--quiet", *words], env=dict(self.environment), capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode()


@contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ of our own; its AMQP URL."""
    with broker() as made:
        yield made.url


@contextmanager
def broker() -> Iterator[Broker]:
    """A RabbitMQ with a node, a cookie, ports and folders of its own."""
    program = _program()
    if program is None:
        debian.install("rabbitmq-server")
        if (program := _program()) is None:
            raise CannotBeHad("its package has no rabbitmq-server")
    with _folder() as folder:
        port, distribution, names = free_ports(3)
        (folder / "enabled_plugins").write_text("[].")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),  # where Erlang keeps the cookie
            "LANG": "C.UTF-8",
            "LOG": str(folder / "log"),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"placet-tests-{port}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        }
        process = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", str(program)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process alone
            env=environment,
        )
        try:
            url = f"amqp://guest:guest@127.0.0.1:{port}/"
            if not answers(url, lambda: process.poll() is None):
                said = (folder / "log").read_text(errors="replace")
                raise CannotBeHad(f"{program} did not start, and said:\n{said[-2000:]}")
            yield Broker(url, program, environment)
        finally:
            process.communicate()  # closes the pipe


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that other users can pass, as root runs Postgres as one of them."""
    folder = Path(tempfile.mkdtemp(prefix="placet-tests-", dir="/tmp"))
    folder.chmod(0o755)
    sweep = subprocess.Popen(
        ["sh", "-c", _SWEEP, str(folder)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield folder
    finally:
        sweep.communicate()  # closes the pipe


def _program() -> Path | None:
    """The server itself: Debian's wrapper on the PATH would change the user."""
    own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if own.exists():
        return own
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:  # held together, so that no two are the same
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
