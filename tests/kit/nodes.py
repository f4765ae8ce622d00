"""A Postgres and a RabbitMQ of the machine's own programs that a test can kill, stop, wipe and start again.

Each keeps its port and its folder, and ends with this process, however that ends.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any, cast

import asyncpg

from kit import debian
from kit.network import Host
from kit.outcome import CannotBeHad
from kit.rabbitmq import answers
from placet_standalone import binaries
from placet_standalone.binaries import EmbeddedPostgresError

_STARTS_WITHIN = 60.0  # seconds

# Runs a server, and for RabbitMQ the daemon by which Erlang finds nodes, until one of them ends: the server, or this
# process, which closes the pipe on standard input however its end comes. Then kills all of it.
_GUARD = """
exec 3<&0 </dev/null >>"$LOG" 2>&1
[ -z "$ERL_EPMD_PORT" ] || epmd 3<&- &
"$@" 3<&- & server=$!
(read -r _ <&3; kill -KILL 0) &
exec 3<&-
wait $server
kill -KILL 0
"""

_POSTGRES = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "log_min_messages": "fatal",
    "timezone": "UTC",
}


_NAMES_IN_A_NETWORK = 4369
_CLUSTER = (
    "loopback_users = none",
    "cluster_partition_handling = pause_minority",
    "cluster_formation.peer_discovery_backend = classic_config",
)


class _Guarded:
    """A server under its guard, in a process group of its own."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()  # closes the pipe
            self._process = None

    def _spawn(self, command: list[str], environment: dict[str, str], inside: Sequence[str], **options: object) -> None:
        self._process = subprocess.Popen(  # type: ignore[call-overload]
            [*inside, "sh", "-c", _GUARD, "sh", *command],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process alone
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LOG": str(self._log), **environment},
            **options,
        )


class PostgresNode(_Guarded):
    """One Postgres, with durable commits."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        try:
            self._user = binaries.runner()
            self._programs = binaries.find(self._user)
        except EmbeddedPostgresError as error:
            raise CannotBeHad(str(error)) from error
        folder.mkdir(exist_ok=True)
        self._user.give(folder)
        super().__init__(folder / "log")
        self._data = folder / "data"
        self._settings = {**_POSTGRES, **(settings or {})}
        [self.port] = free_ports(1)
        self.url = f"postgresql://placet@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        """Start it, on the data that there is; returns when it answers."""
        if not self._data.exists():
            await asyncio.to_thread(self._initialise)
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings]
        deadline = monotonic() + _STARTS_WITHIN
        while monotonic() < deadline:
            if not self.running:  # what a killed one has left may still be on its way out
                self.kill()
                self._spawn(command, {"LC_ALL": "C"}, (), **self._user.options)
            if await self._answers():
                return
            await asyncio.sleep(0.1)
        raise CannotBeHad(f"Postgres did not start, and said:\n{self.said}")

    def quit(self) -> None:
        """Stop it as ``pg_ctl stop -m immediate`` does: at once, without a checkpoint."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)
        if self._process is not None:
            self._process.wait()

    def wipe(self) -> None:
        """Kill it, and delete all that it has."""
        self.kill()
        _remove(self._data)

    def follow(self, primary: "PostgresNode") -> None:
        """Take a copy of another node, and be its standby from the next start on, until it is promoted."""
        way = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "placet")
        self._run("pg_basebackup", *way, "-D", str(self._data), "-X", "stream", "-c", "fast", "--no-sync")
        (self._data / "standby.signal").touch()
        self._settings["primary_conninfo"] = f"host=127.0.0.1 port={primary.port} user=placet"

    def _initialise(self) -> None:
        options = ("-U", "placet", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "-D", str(self._data), *options)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            **self._user.options,  # type: ignore[call-overload]
        )

    async def _answers(self) -> bool:
        try:
            conn = await asyncpg.connect(self.url, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await conn.close()
        return True


class RabbitNode(_Guarded):
    """One RabbitMQ, with a node, a cookie, ports and folders of its own.

    ``host`` is one of a network of the machine's own, where it is to be a member of a cluster.
    """

    def __init__(self, folder: Path, *, host: Host | None = None) -> None:
        self._program = _rabbitmq()
        self._inside = host.inside if host else ()
        address = host.address if host else "127.0.0.1"
        folder.mkdir(exist_ok=True)
        super().__init__(folder / "log")
        self._folder = folder
        self.port, distribution, names = free_ports(3)
        if host:
            names = _NAMES_IN_A_NETWORK
        self.url = f"amqp://guest:guest@{address}:{self.port}/"
        self.name = f"placet-tests-{self.port}@{host.name if host else 'localhost'}"
        (folder / "enabled_plugins").write_text("[].")
        self._environment = {
            "HOME": str(folder),  # where Erlang keeps the cookie
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": address,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": address,
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
            # Threads of Erlang that wait for work leave the processor to others.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"
            # seconds, until nodes that hear nothing of each other take that for the end
            " -kernel net_ticktime 8",
        }

    def start(self) -> None:
        """Start it, with the queues that there are; returns when it answers. Not from an event loop's thread."""
        self._spawn([str(self._program)], self._environment, self._inside)
        if not answers(self.url, lambda: self.running):
            self.kill()
            raise CannotBeHad(f"{self._program} did not start, and said:\n{self.said}")

    def join(self, names: Sequence[str], cookie: str) -> None:
        """Be a member of the cluster of all these nodes from the next start on."""
        secret = self._folder / ".erlang.cookie"
        secret.write_text(cookie)
        secret.chmod(0o400)
        members = [f"cluster_formation.classic_config.nodes.{n} = {name}" for n, name in enumerate(names, 1)]
        (self._folder / "rabbitmq.conf").write_text("\n".join((*_CLUSTER, *members, "")))

    def wipe(self) -> None:
        """Kill it, and delete all that it has."""
        self.kill()
        _remove(self._folder / "mnesia")

    def memory_alarm(self, on: bool) -> None:
        """Raise the alarm that blocks publishers, or end it. Not from an event loop's thread."""
        self.control("set_vm_memory_high_watermark", "0" if on else "0.4")

    def queues(self) -> list[dict[str, Any]]:
        """Its cluster's queues: ``name``, ``leader``, and the members that are ``online``. Not from a loop's thread."""
        listed = self.control("--formatter", "json", "list_queues", "name", "leader", "online")
        return cast("list[dict[str, Any]]", json.loads(listed))

    def control(self, *command: str) -> str:
        """What ``rabbitmqctl`` says. Not from an event loop's thread."""
        done = subprocess.run(
            [*self._inside, str(self._program.with_name("rabbitmqctl")), "--quiet", *command],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=60,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **self._environment},
        )
        return done.stdout.decode()


def _remove(folder: Path) -> None:
    deadline = monotonic() + _STARTS_WITHIN
    while folder.exists() and monotonic() < deadline:  # who was killed may still be about to end
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as stack:  # held together, so that no two are the same
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _rabbitmq() -> Path:
    """The server itself: Debian's wrapper on the PATH would change the user."""
    if (program := _installed()) is None:
        debian.install("rabbitmq-server")
        if (program := _installed()) is None:
            raise CannotBeHad("its package has no rabbitmq-server")
    return program


def _installed() -> Path | None:
    own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if own.exists():
        return own
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None
