"""Servers in containers, which end with the test session."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kit.outcome import CannotBeHad
from kit.rabbitmq import answers

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

# Waits for the end of the session, which closes the pipe on standard input however it comes, and removes a container.
_GUARD = 'read -r _; exec "$0" -c "$1" "$2"'
_REMOVE = "import docker, sys; docker.from_env().containers.get(sys.argv[1]).remove(force=True, v=True)"


def engine_answers() -> bool:
    """Whether there is a Docker engine that we may use."""
    if "DOCKER_HOST" not in os.environ:
        # Its client would leave a socket open where it is refused, and that is an error in the end.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            if probe.connect_ex("/var/run/docker.sock") != 0:
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


@contextmanager
def postgres() -> Iterator[str]:
    """A Postgres in a container; its superuser's DSN."""
    _without_ryuk()
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer("postgres:17", driver=None)
    with _running(container):
        yield container.get_connection_url()


@contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ in a container; its AMQP URL."""
    _without_ryuk()
    from testcontainers.core.container import DockerContainer

    container = DockerContainer("rabbitmq:4-management").with_exposed_ports(5672)
    with _running(container):
        url = f"amqp://guest:guest@{container.get_container_host_ip()}:{container.get_exposed_port(5672)}/"
        if not answers(url, lambda: _runs(container)):
            said = b" ".join(container.get_logs()).decode(errors="replace")
            raise CannotBeHad(f"its container does not answer, and said: {said[-500:]}")
        yield url


def _without_ryuk() -> None:
    """Comes before testcontainers: the session ends its containers itself, without another that does."""
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"


@contextmanager
def _running(container: "DockerContainer") -> Iterator[None]:
    try:
        container.start()
        guard = subprocess.Popen(
            ["sh", "-c", _GUARD, sys.executable, _REMOVE, container.get_container_id()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process alone
        )
        try:
            yield
        finally:
            guard.kill()
            guard.communicate()
    finally:
        container.stop()


def _runs(container: "DockerContainer") -> bool:
    container.reload()
    return container.status in ("created", "running")
