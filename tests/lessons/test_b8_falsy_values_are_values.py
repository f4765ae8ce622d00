"""B8: falsy memo values were computed again."""

from typing import Any

import pytest

from kit.lessons import done
from kit.product import Product

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("value", [None, 0, 0.0, False, "", [], {}], ids=repr)
async def test_nothing_is_worth_remembering_too(placet: Product, value: Any) -> None:
    """A falsy input, context, step's result and output are themselves, and each step has run once in three passes."""
    run_id = await placet.start("falsy", value)

    first = await placet.paused(run_id)
    await placet.approve(first)
    await placet.approve(await placet.paused(run_id))
    run = await placet.ended(run_id)

    assert (first["input"], first["context"]) == (value, value)
    assert (run["status"], run["input"], run["output"]) == ("completed", value, value)
    assert type(run["output"]) is type(value)
    assert done[run_id] == ["computed", "computed"]  # one for each of two steps
