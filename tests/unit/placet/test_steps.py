"""Steps: called once, stored, replayed."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel
from unit.placet.passes import Notes, enter, failed

from placet import Context, Interrupt
from placet.execution import Completed


class Account(BaseModel):
    name: str
    balance: int = 0


@pytest.mark.parametrize("value", [None, 0, False, "", [], {}])
async def test_falsy_results_are_replayed_like_any(value: object, notes: Notes) -> None:
    """B8: a step that gave nothing, zero, false or something empty is not called again."""
    calls = []

    def load() -> Any:
        calls.append(1)
        return value

    async def handler(ctx: Context, input: None) -> Any:
        return await ctx.step("load", load)

    first = await enter(handler, notes)
    again = await enter(handler, notes, steps=notes.steps)

    assert first == again
    assert len(calls) == 1


async def test_the_first_pass_and_a_replay_see_the_same(notes: Notes) -> None:
    """What a step gives is what its JSON reads back as, typed by its function's annotation, in every pass."""
    seen: list[object] = []

    def load() -> Account:
        return Account(name="ana")

    def untyped():  # type: ignore[no-untyped-def]
        return {"at": datetime(2026, 1, 1, tzinfo=UTC), 1: (2, 3)}

    async def handler(ctx: Context, input: None) -> None:
        seen.append([await ctx.step("load", load), await ctx.step("untyped", untyped)])

    await enter(handler, notes)
    await enter(handler, notes, steps=notes.steps)

    assert seen == 2 * [[Account(name="ana"), {"at": "2026-01-01T00:00:00Z", "1": [2, 3]}]]


async def test_a_step_is_told_its_arguments_by_any_name() -> None:
    """A step's function may have parameters named like those of ``ctx.step``."""

    def call(name: str, fn: str, *, self: str) -> str:
        return name + fn + self

    async def handler(ctx: Context, input: None) -> str:
        return await ctx.step("call", call, "a", fn="b", self="c")

    assert await enter(handler) == Completed('"abc"')


async def test_async_sync_and_wrapped_functions_are_steps() -> None:
    """A step may be a coroutine function, a blocking one, a callable object or a lambda around any of them."""

    class Adder:
        async def __call__(self, number: int) -> Account:
            return Account(name="sum", balance=number + 1)

    async def double(number: int) -> int:
        return number * 2

    def thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def handler(ctx: Context, input: None) -> list[Any]:
        return [
            await ctx.step("async", double, 2),
            await ctx.step("lambda", lambda: double(3)),
            (await ctx.step("object", Adder(), 4)).balance,
            await ctx.step("thread", thread),
        ]

    assert await enter(handler) == Completed("[4,6,5,false]")


async def test_steps_may_run_at_the_same_time(notes: Notes) -> None:
    """Two steps under ``asyncio.gather`` are both stored."""
    both = asyncio.Barrier(2)

    async def meet(name: str) -> str:
        await both.wait()
        return name

    async def handler(ctx: Context, input: None) -> list[str]:
        return list(await asyncio.gather(ctx.step("a", meet, "a"), ctx.step("b", meet, "b")))

    assert await enter(handler, notes) == Completed('["a","b"]')
    assert notes.steps == {"a": '"a"', "b": '"b"'}


async def test_a_name_used_twice_is_refused() -> None:
    """Two steps of one name would share one result: the run fails, and a retry would not help."""

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step("load", lambda: 1)
        await ctx.step("load", lambda: 2)

    assert "'load'" in failed(await enter(handler), "DuplicateStep", retryable=False)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201, None])
async def test_a_step_needs_a_name(name: Any) -> None:
    """A step's name is short printable text."""

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step(name, lambda: 1)

    failed(await enter(handler), "StepNameInvalid", retryable=False)


async def test_a_result_without_json_is_refused() -> None:
    """A step whose result cannot be stored fails the run at once: its effect must not happen again."""

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step("open", object)

    async def unserialisable(ctx: Context, input: None) -> None:
        await ctx.step("open", lambda: {"file": object()})

    failed(await enter(handler), "StepResultInvalid", retryable=False)
    failed(await enter(unserialisable), "StepResultInvalid", retryable=False)


async def test_a_step_of_an_impossible_type_is_not_called() -> None:
    """A function whose result type cannot be stored is refused before it does anything."""
    calls = []

    def connect() -> threading.Thread:
        calls.append(1)
        return threading.current_thread()

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step("connect", connect)

    failed(await enter(handler), "StepResultInvalid", retryable=False)
    assert calls == []


async def test_a_stored_result_that_does_not_fit_any_more_says_so() -> None:
    """After a deployment that changed a step's type, the run says which step, and not what was stored."""

    def load() -> Account:
        raise AssertionError("not called again")

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step("load", load)

    message = failed(
        await enter(handler, steps={"load": '{"secret": "hunter2"}'}), "StepResultInvalid", retryable=False
    )
    assert "load" in message
    assert "name: Field required" in message
    assert "hunter2" not in message


async def test_a_step_that_raises_is_not_stored(notes: Notes) -> None:
    """What a step raises reaches the handler, and the next attempt calls it again."""

    def charge() -> None:
        raise ConnectionError("no route")

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step("charge", charge)

    assert failed(await enter(handler, notes), "ConnectionError", retryable=True) == "no route"
    assert notes.steps == {}


@pytest.mark.parametrize("raised", [True, False])
async def test_a_step_cannot_ask_for_approval(raised: bool) -> None:
    """Interrupts belong to the handler: in a step they would be stored as its result, or lost."""

    def ask() -> Any:
        if raised:
            raise Interrupt.approval()
        return Interrupt.approval()

    async def handler(ctx: Context, input: None) -> None:
        await ctx.step("ask", ask)

    assert "belong to the handler" in failed(await enter(handler), "InterruptInStep", retryable=False)
