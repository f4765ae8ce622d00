"""What the tests share: real servers for the session, a database and a namespace for each test."""

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
import structlog

from kit.database import database, empty_database, template
from kit.rabbitmq import delete_namespace
from kit.servers import CannotBeHad, servers

# What fails on purpose is logged many times over, and a traceback with the values of variables takes seconds to write.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

_STACK = pytest.StashKey[ExitStack]()
_SERVERLESS = ("tests/unit", "tests/typing", "tests/e2e")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers once, in the process that has the say; workers find them in their environment."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    if config.args and all(any(part in argument for part in _SERVERLESS) for argument in config.args):
        return
    stack = config.stash[_STACK] = ExitStack()
    try:
        found = stack.enter_context(servers())
    except CannotBeHad as error:
        pytest.exit(str(error), returncode=4)
    os.environ["PLACET_TEST_DATABASE_URL"] = found.postgres
    os.environ["PLACET_TEST_AMQP_URL"] = found.rabbitmq
    stack.enter_context(template(found.postgres))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started."""
    if (stack := config.stash.get(_STACK, None)) is not None:
        stack.close()


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The server, as a superuser."""
    return os.environ["PLACET_TEST_DATABASE_URL"]


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """The broker."""
    return os.environ["PLACET_TEST_AMQP_URL"]


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of the test's own, with the tables of every service."""
    async with database(postgres_url) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database of the test's own, with nothing in it."""
    async with empty_database(postgres_url) as url:
        yield url


@pytest.fixture
async def namespace(amqp_url: str) -> AsyncIterator[str]:
    """A prefix of the test's own for exchanges and queues, which are deleted afterwards."""
    name = f"t{uuid4().hex[:10]}"
    yield name
    await delete_namespace(amqp_url, name)
