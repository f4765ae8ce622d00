"""An office for each module."""

from collections.abc import AsyncIterator

import pytest_asyncio

from kit import office as kit
from kit.office import Office


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(postgres_url: str, amqp_url: str) -> AsyncIterator[Office]:
    async with kit.office(postgres_url, amqp_url) as made:
        yield made
