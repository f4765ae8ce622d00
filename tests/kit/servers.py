"""A real Postgres and a real RabbitMQ for the test session, from wherever they can be had.

In this order: servers that the environment names; containers, where a Docker engine answers; private instances of the
machine's own programs; and where RabbitMQ is missing on Debian or Ubuntu, and we are root, Debian's package. What
cannot be had is an error that names it. ``PLACET_TEST_VIA=docker`` or ``=local`` takes one way alone.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import aio_pika

from placet_standalone.postgres import embedded

# Runs a server until the pipe on standard input closes, however the test session ends.
_GUARD = """
exec 3<&0
"$@" 3<&- </dev/null >"$LOG" 2>&1 &
cat <&3 >/dev/null
kill -KILL 0
"""


class CannotBeHad(RuntimeError):
    """Raised when a server that the tests need cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Servers:
    """Where they are: a superuser's DSN, and an AMQP URL."""

    postgres: str
    rabbitmq: str


@contextmanager
def servers() -> Iterator[Servers]:
    """Both servers, started at the same time, for as long as the context lasts."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        starting = [threads.submit(start) for start in (_postgres, _rabbitmq)]
        found = []
        for future in starting:
            url, server = future.result()
            stack.enter_context(server)
            found.append(url)
        yield Servers(*found)


def say(text: str) -> None:
    """Tell whoever runs the tests."""
    print(f"tests: {text}", file=sys.stderr, flush=True)


Started = tuple[str, AbstractContextManager[object]]


def _postgres() -> Started:
    return _first("Postgres", "PLACET_TEST_DATABASE_URL", _postgres_container, _postgres_local)


def _rabbitmq() -> Started:
    return _first("RabbitMQ", "PLACET_TEST_AMQP_URL", _rabbitmq_container, _rabbitmq_local)


def _first(name: str, variable: str, container: Callable[[], Started], local: Callable[[], Started]) -> Started:
    if url := os.environ.get(variable):
        return url, contextlib.nullcontext()
    via = os.environ.get("PLACET_TEST_VIA", "")
    if via not in ("", "docker", "local"):
        raise CannotBeHad(f"PLACET_TEST_VIA is {via!r}: it is 'docker' or 'local'")
    if via == "docker" or (not via and _engine_answers()):
        try:
            return container()
        except Exception as error:
            if via == "docker":
                raise CannotBeHad(f"{name} cannot be had from Docker: {error}") from error
            say(f"{name} cannot be had from Docker ({type(error).__name__}: {error}); trying this machine's own")
    return local()


def _engine_answers() -> bool:
    if shutil.which("docker") is None and not Path("/var/run/docker.sock").exists():
        return False
    try:
        import docker

        client = docker.from_env(timeout=5)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:
        return False


def _postgres_container() -> Started:
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # the session ends its containers itself
    from testcontainers.community.postgres import PostgresContainer

    stack = ExitStack()
    container = stack.enter_context(PostgresContainer("postgres:17", driver=None))
    return container.get_connection_url(), stack


def _rabbitmq_container() -> Started:
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    from testcontainers.core.container import DockerContainer

    stack = ExitStack()
    container = stack.enter_context(DockerContainer("rabbitmq:4-management").with_exposed_ports(5672))
    url = f"amqp://guest:guest@{container.get_container_host_ip()}:{container.get_exposed_port(5672)}/"
    if not _amqp_answers(url):
        stack.close()
        raise CannotBeHad("the container of RabbitMQ does not answer")
    return url, stack


def _postgres_local() -> Started:
    """The embedded Postgres of the product, kept by a thread with a loop of its own."""
    stack = ExitStack()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="placet-tests-", ignore_cleanup_errors=True)))
    folder.chmod(0o755)
    ready, stop = Event(), Event()
    found: list[str | BaseException] = []

    async def keep() -> None:
        try:
            async with embedded(folder / "postgres") as dsn:
                found.append(dsn)
                ready.set()
                await asyncio.to_thread(stop.wait)
        except BaseException as error:
            found.append(error)
            ready.set()
            raise

    thread = Thread(target=lambda: contextlib.suppress(Exception).__enter__() or asyncio.run(keep()), daemon=True)
    thread.start()
    ready.wait()
    if isinstance(found[0], BaseException):
        raise CannotBeHad(f"Postgres cannot be had: {found[0]}") from found[0]
    stack.callback(thread.join)
    stack.callback(stop.set)
    return found[0], stack


def _rabbitmq_local() -> Started:
    program = _rabbitmq_program() or _install_rabbitmq()
    stack = ExitStack()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="placet-tests-", ignore_cleanup_errors=True)))
    port, distribution = _free_port(), _free_port()
    (folder / "enabled_plugins").write_text("[].")
    process = subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", str(program)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "LOG": str(folder / "log"),
            "RABBITMQ_NODENAME": f"placet-tests-{port}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        },
    )

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()

    stack.callback(end)
    url = f"amqp://guest:guest@127.0.0.1:{port}/"
    if not _amqp_answers(url, process):
        stack.close()
        raise CannotBeHad(f"RabbitMQ did not start; it said:\n{(folder / 'log').read_text(errors='replace')[-2000:]}")
    return url, stack


def _rabbitmq_program() -> Path | None:
    """The server itself: Debian's wrapper on the PATH would change the user."""
    own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if own.exists():
        return own
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def _install_rabbitmq() -> Path:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise CannotBeHad(
            "RabbitMQ is missing. Install it, start Docker, or set PLACET_TEST_AMQP_URL to a broker for the tests"
        )
    say("RabbitMQ is missing: installing Debian's package rabbitmq-server")
    policy = Path("/usr/sbin/policy-rc.d")  # keeps the package from starting a node of its own
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server"]):
            done = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise CannotBeHad(f"RabbitMQ cannot be installed: apt-get {arguments[0]} said:\n{done.stderr[-2000:]}")
    finally:
        if made:
            policy.unlink()
    program = _rabbitmq_program()
    if program is None:
        raise CannotBeHad("RabbitMQ was installed, but there is no rabbitmq-server")
    return program


def _amqp_answers(url: str, process: subprocess.Popen[bytes] | None = None, within: float = 90) -> bool:
    async def connects() -> bool:
        try:
            connection = await aio_pika.connect(url, timeout=5)
        except Exception:
            return False
        await connection.close()
        return True

    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # that it does not answer yet is no news
    deadline = monotonic() + within
    while monotonic() < deadline and (process is None or process.poll() is None):
        if asyncio.run(connects()):
            return True
        sleep(0.2)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
