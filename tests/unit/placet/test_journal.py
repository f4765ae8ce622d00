"""A pass and its journal; handlers that are not async."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
import structlog
from unit.placet.passes import Notes, enter, failed, resolved

from placet import Context, Email, SyncContext
from placet.execution import Completed, Paused


class LeaseLost(Exception):
    pass


async def test_what_the_journal_raises_leaves_the_pass(notes: Notes) -> None:
    """A worker that lost its lease stops, even where the handler catches everything: no step is begun after that."""
    calls = []

    async def handler(ctx: Context, input: None) -> str:
        for name in ("a", "b"):
            with suppress(Exception):
                await ctx.step(name, lambda: calls.append(1))
        with suppress(Exception):
            await ctx.notify(message="hello", destination=Email("ana@example.com"))
        return "done all the same"

    notes.refuses = LeaseLost("run-1")

    with structlog.testing.capture_logs() as logs, pytest.raises(LeaseLost) as raised:
        await enter(handler, notes)

    assert raised.value is notes.refuses
    assert len(calls) == 1
    assert logs == []


async def test_what_the_journal_raises_leaves_a_thread_too(notes: Notes) -> None:
    """The same for sync handlers, and for handlers that wrap what they catch."""

    def handler(ctx: SyncContext, input: None) -> None:
        try:
            ctx.step("a", lambda: 1)
        except Exception as error:
            raise ValueError("wrapped") from error

    notes.refuses = LeaseLost("run-1")

    with pytest.raises(LeaseLost):
        await enter(handler, notes)


async def test_a_sync_handler_has_the_same_context(notes: Notes) -> None:
    """A handler that is not async runs in a thread; steps, notifications and gates block it."""

    async def double(number: int) -> int:
        return number * 2

    def handler(ctx: SyncContext, input: int) -> list[Any]:
        here = threading.get_ident()
        ctx.notify(message="working", destination=Email("ana@example.com"))
        doubled = ctx.step("double", double, input)
        same_thread = ctx.step("thread", lambda: threading.get_ident() == here)
        approval = ctx.require_approval("legal")
        return [doubled, same_thread, approval.resolved_by, threading.current_thread() is threading.main_thread()]

    assert isinstance(await enter(handler, notes, input="4"), Paused)
    assert notes.steps == {"double": "8", "thread": "true"}
    result = await enter(handler, notes, input="4", steps=notes.steps, approvals=resolved("legal"))

    assert result == Completed('[8,true,"ana",false]')
    assert [message for _, message, _ in notes.told] == ["working", "working"]
    assert notes.told[0] == notes.told[1]


async def test_a_sync_context_does_not_block_the_event_loop() -> None:
    """Used in an async step, it would wait for the loop that it stops: that is refused instead."""

    def handler(ctx: SyncContext, input: None) -> None:
        async def inner() -> None:
            ctx.notify(message="hello", destination=Email("ana@example.com"))

        ctx.step("outer", inner)

    assert "event loop" in failed(await enter(handler), "RuntimeError", retryable=True)


async def test_many_sync_handlers_run_at_once() -> None:
    """No pool of threads limits how many handlers may block at a time."""
    everyone = threading.Barrier(80)

    def handler(ctx: SyncContext, input: None) -> None:
        ctx.step("meet", lambda: everyone.wait(timeout=20) and None)

    results = await asyncio.gather(*(enter(handler) for _ in range(80)))

    assert results == [Completed("null")] * 80
