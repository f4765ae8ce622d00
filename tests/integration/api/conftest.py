"""One deployment a module, and workflows that do no more than the API's tests need."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest_asyncio

from kit.product import Product, product
from placet import Context, Interrupt, Placet

app = Placet()
entered: defaultdict[str, int] = defaultdict(int)


@app.workflow("echo")
async def echo(ctx: Context, input: Any) -> Any:
    return input


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    entered[ctx.run_id] += 1
    return input if ctx.approved else Interrupt.approval(message="May I?")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def placet(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def pending(placet: Product) -> dict[str, Any]:
    """An approval that waits for a decision."""
    return await placet.paused(await placet.start("asks", {"n": uuid4().hex}))
