"""Deployments that the lessons are held in."""

from collections.abc import AsyncIterator

import pytest_asyncio

import kit.office
from kit.lessons import app
from kit.office import Office
from kit.product import Product, product
from placet_runtime import fail


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment on RabbitMQ for all of a module's tests."""
    async with product("rabbit", app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def fragile(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    """A deployment of the test's own, to do harm to. Its failpoints are harmless afterwards."""
    async with product("rabbit", app, postgres_url, amqp_url) as made:
        try:
            yield made
        finally:
            fail.disarm()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(postgres_url: str, amqp_url: str) -> AsyncIterator[Office]:
    """A deployment with people in it, whose workflow asks as its input says."""
    async with kit.office.office(postgres_url, amqp_url) as made:
        yield made
