"""A real Postgres and a real RabbitMQ for the test session, from wherever they can be had.

In this order: servers that the environment names; containers, where a Docker engine answers; private instances of the
machine's own programs; and where RabbitMQ is missing on Debian or Ubuntu, and we are root, Debian's package. What
cannot be had is an error that names it. ``PLACET_TEST_VIA=docker`` or ``=local`` takes one way alone.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from kit import containers, local
from kit.outcome import CannotBeHad, say

__all__ = ["CannotBeHad", "Servers", "servers"]

Way = Callable[[], AbstractContextManager[str]]


@dataclass(frozen=True)
class Servers:
    """Where they are: a superuser's DSN, and an AMQP URL."""

    postgres: str
    rabbitmq: str


@contextmanager
def servers() -> Iterator[Servers]:
    """Both servers, started at the same time, for as long as the context lasts.

    Raises:
        CannotBeHad: one of them cannot be had.
    """
    with ExitStack() as stack:
        ends = [stack.enter_context(ExitStack()) for _ in range(2)]  # one each: they start in threads
        with ThreadPoolExecutor(2) as threads:
            postgres = threads.submit(
                _start, ends[0], "Postgres", "PLACET_TEST_DATABASE_URL", containers.postgres, local.postgres
            )
            rabbitmq = threads.submit(
                _start, ends[1], "RabbitMQ", "PLACET_TEST_AMQP_URL", containers.rabbitmq, local.rabbitmq
            )
        yield Servers(postgres.result(), rabbitmq.result())


def _start(end: ExitStack, name: str, variable: str, container: Way, own: Way) -> str:
    if url := os.environ.get(variable):
        return url
    via = os.environ.get("PLACET_TEST_VIA", "")
    if via not in ("", "docker", "local"):
        raise CannotBeHad(f"PLACET_TEST_VIA is {via!r}: it is 'docker' or 'local'")
    if via == "docker" or (not via and containers.engine_answers()):
        try:
            return end.enter_context(container())
        except Exception as error:
            reason = f"{name} cannot be had from Docker: {' '.join(str(error).split())}"
            if via == "docker":
                raise CannotBeHad(f"{reason}. Start Docker, or unset PLACET_TEST_VIA") from error
            say(f"{reason}; trying this machine's own")
    try:
        return end.enter_context(own())
    except CannotBeHad as error:
        raise CannotBeHad(
            f"{name} cannot be had: {error}\nInstall it, start Docker, or name one for the tests in {variable}"
        ) from error
