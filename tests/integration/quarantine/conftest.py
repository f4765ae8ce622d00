"""A deployment whose services keep what they cannot take in."""

from collections.abc import AsyncIterator

import pytest_asyncio

from kit.messages import Messages, app
from kit.product import Product, product


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def messages(placet: Product) -> Messages:
    return Messages(placet)
