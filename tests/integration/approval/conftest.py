"""A database on which just that happens which a test has happen, and its audit."""

from collections.abc import AsyncIterator

import pytest

from kit.ledger import Ledger, ledger


@pytest.fixture
async def book(database_url: str) -> AsyncIterator[Ledger]:
    """A database on which nothing has happened yet."""
    async with ledger(database_url) as made:
        await made.begin()
        yield made


@pytest.fixture
async def history(book: Ledger) -> Ledger:
    """Three seals: over the beginning, over two approvals that open, over their ends."""
    await book.seal()
    one, two = [*await book.open(), *await book.open()]
    await book.seal()
    await book.decide(one)
    await book.decide(two, verdict="reject", comment="no")
    await book.seal()
    assert await book.verify() == []
    return book
