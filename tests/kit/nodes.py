"""A Postgres and a RabbitMQ of the machine's own programs that a test can kill, stop, wipe and start again.

Each keeps its port and its folder, and ends with this process, however that ends.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic

import asyncpg

from kit import debian
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
    "log_min_messages": "fatal",
    "timezone": "UTC",
}


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

    def _spawn(self, command: list[str], environment: dict[str, str], **options: object) -> None:
        self._process = subprocess.Popen(  # type: ignore[call-overload]
            ["sh", "-c", _GUARD, "sh", *command],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process alone
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LOG": str(self._log), **environment},
            **options,
        )


class PostgresNode(_Guarded):
    """One Postgres, with durable commits."""

    def __init__(self, folder: Path) -> None:
        try:
            self._user = binaries.runner()
            self._programs = binaries.find(self._user)
        except EmbeddedPostgresError as error:
            raise CannotBeHad(str(error)) from error
        folder.mkdir(exist_ok=True)
        self._user.give(folder)
        super().__init__(folder / "log")
        self._data = folder / "data"
        [self.port] = free_ports(1)
        self.url = f"postgresql://placet@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        """Start it, on the data that there is; returns when it answers."""
        if not self._data.exists():
            await asyncio.to_thread(self._initialise)
        settings = [word for name, value in _POSTGRES.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings]
        deadline = monotonic() + _STARTS_WITHIN
        while monotonic() < deadline:
            if not self.running:  # what a killed one has left may still be on its way out
                self.kill()
                self._spawn(command, {"LC_ALL": "C"}, **self._user.options)
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

    def _initialise(self) -> None:
        subprocess.run(
            [
                *(str(self._programs / "initdb"), "-D", str(self._data), "-U", "placet", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
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
    """One RabbitMQ, with a node, a cookie, ports and folders of its own."""

    def __init__(self, folder: Path) -> None:
        self._program = _rabbitmq()
        folder.mkdir(exist_ok=True)
        super().__init__(folder / "log")
        self._folder = folder
        self.port, distribution, names = free_ports(3)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        (folder / "enabled_plugins").write_text("[].")
        self._environment = {
            "HOME": str(folder),  # where Erlang keeps the cookie
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"placet-tests-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
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
            # Threads of Erlang that wait for work leave the processor to others.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def start(self) -> None:
        """Start it, with the queues that there are; returns when it answers. Not from an event loop's thread."""
        self._spawn([str(self._program)], self._environment)
        if not answers(self.url, lambda: self.running):
            self.kill()
            raise CannotBeHad(f"{self._program} did not start, and said:\n{self.said}")

    def wipe(self) -> None:
        """Kill it, and delete all that it has."""
        self.kill()
        deadline = monotonic() + _STARTS_WITHIN
        while (self._folder / "mnesia").exists() and monotonic() < deadline:  # it may still be about to end
            shutil.rmtree(self._folder / "mnesia", ignore_errors=True)

    def memory_alarm(self, on: bool) -> None:
        """Raise the alarm that blocks publishers, or end it. Not from an event loop's thread."""
        self.control("set_vm_memory_high_watermark", "0" if on else "0.4")

    def control(self, *command: str) -> str:
        """What ``rabbitmqctl`` says. Not from an event loop's thread."""
        done = subprocess.run(
            [str(self._program.with_name("rabbitmqctl")), "--quiet", *command],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=60,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **self._environment},
        )
        return done.stdout.decode()


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
