"""An office for each module, and browsers in which its people are signed in."""

from collections.abc import AsyncIterator

import pytest_asyncio

from kit import office as kit
from kit.browser import Browser, signed_in
from kit.office import Office


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(postgres_url: str, amqp_url: str) -> AsyncIterator[Office]:
    async with kit.office(postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def eve(office: Office) -> AsyncIterator[Browser]:
    """An admin's browser."""
    async with signed_in(office.placet.running, "eve") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(office: Office) -> AsyncIterator[Browser]:
    """An approver's browser."""
    async with signed_in(office.placet.running, "ana") as made:
        yield made
