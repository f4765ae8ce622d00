"""Gates and notifications: asking people, and telling them."""

import asyncio
from typing import Any

import pytest
from unit.placet.passes import Notes, enter, failed, resolved

from placet import Context, Email, Interrupt, SyncContext
from placet.execution import Completed, Paused
from placet_contracts.events import Outcome


async def test_an_interrupt_pauses_returned_or_raised() -> None:
    """A handler asks by returning an interrupt, or by raising it from wherever it is."""

    async def returns(ctx: Context, input: None) -> Interrupt:
        return Interrupt.approval(message="Ok?", destination=Email("ana@example.com"))

    async def raises(ctx: Context, input: None) -> None:
        raise Interrupt.approval("legal")

    def blocks(ctx: SyncContext, input: None) -> None:
        raise Interrupt.approval("legal")

    first, second, third = await enter(returns), await enter(raises), await enter(blocks)

    assert isinstance(first, Paused)
    assert (first.interrupt.gate, first.interrupt.message) == ("approval", "Ok?")
    assert isinstance(second, Paused)
    assert isinstance(third, Paused)
    assert second.interrupt.gate == third.interrupt.gate == "legal"


async def test_a_raised_interrupt_passes_through_except_exception() -> None:
    """A handler that catches every error does not catch its own request for approval."""

    async def handler(ctx: Context, input: None) -> str:
        try:
            await ctx.require_approval("legal")
        except Exception:
            return "went on without approval"
        return "approved"

    assert isinstance(await enter(handler), Paused)
    assert await enter(handler, approvals=resolved("legal")) == Completed('"approved"')


async def test_a_task_group_may_ask() -> None:
    """An interrupt raised in a task group pauses; together with a failure it is the failure that counts."""

    async def fails() -> None:
        raise OSError("disk")

    async def asks(ctx: Context, input: None) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.require_approval("legal"))

    async def both(ctx: Context, input: None) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.require_approval("legal"))
            group.create_task(fails())

    assert isinstance(await enter(asks), Paused)
    failed(await enter(both), "BaseExceptionGroup", retryable=True)


async def test_the_first_gates_approval_does_not_pass_the_second() -> None:
    """B1: an approval counts for its own gate and no other."""

    async def handler(ctx: Context, input: None) -> str:
        await ctx.require_approval()
        await ctx.require_approval("legal")
        return "done"

    paused = await enter(handler, approvals=resolved("approval"))

    assert isinstance(paused, Paused)
    assert paused.interrupt.gate == "legal"
    assert await enter(handler, approvals=resolved("approval") | resolved("legal")) == Completed('"done"')


@pytest.mark.parametrize("outcome", ["approved", "rejected", "expired"])
async def test_asking_again_at_a_resolved_gate_is_an_error(outcome: Outcome) -> None:
    """B1: never a silent pass, nor a second request."""

    async def handler(ctx: Context, input: None) -> Interrupt:
        return Interrupt.approval("legal")

    result = await enter(handler, approvals=resolved("legal", outcome))

    assert outcome in failed(result, "GateAlreadyResolved", retryable=False)


async def test_approved_is_the_unnamed_gate_and_means_approved() -> None:
    """``ctx.approved`` is true for the unnamed gate, once it is approved, and for nothing else."""

    async def handler(ctx: Context, input: None) -> bool:
        return ctx.approved

    assert await enter(handler) == Completed("false")
    assert await enter(handler, approvals=resolved("legal")) == Completed("false")
    assert await enter(handler, approvals=resolved("approval", "rejected")) == Completed("false")
    assert await enter(handler, approvals=resolved("approval")) == Completed("true")


async def test_a_handler_sees_who_decided() -> None:
    """An approval says who, when, how and with which comment; an unresolved gate is ``None``."""

    async def handler(ctx: Context, input: None) -> Any:
        assert ctx.approval() is None
        return ctx.approval("legal")

    assert await enter(handler, approvals=resolved("legal", comment="fine")) == Completed(
        '{"gate":"legal","outcome":"approved","resolved_by":"ana","resolved_at":"2026-01-02T00:00:00Z",'
        '"comment":"fine","channel":"inbox"}'
    )


async def test_a_required_approval_that_was_refused_raises() -> None:
    """With ``on_reject="resume"`` the handler learns of a refusal; unless it handles it, the run fails for good."""

    async def handler(ctx: Context, input: None) -> None:
        await ctx.require_approval("legal", on_reject="resume")

    message = failed(
        await enter(handler, approvals=resolved("legal", "rejected", "no budget")), "ApprovalRefused", retryable=False
    )
    assert message == "the gate 'legal' is rejected by ana: no budget"


async def test_a_notification_has_one_key_in_every_pass(notes: Notes) -> None:
    """A call site and its content make the key: the same again tells nobody, another does."""

    async def handler(ctx: Context, input: int) -> None:
        for number in (1, 1, input):
            await ctx.notify(message=f"number {number}", destination=Email("ana@example.com"))
        await asyncio.gather(ctx.notify(message="done", destination=[Email("a@example.com"), Email("b@example.com")]))
        await ctx.notify(message="done", destination=Email("a@example.com"))

    await enter(handler, notes, input="2")
    first = list(notes.told)
    await enter(handler, notes, input="2", attempt=2)

    assert [message for _, message, _ in first] == ["number 1", "number 2", "done", "done", "done"]
    assert len({key for key, _, _ in first}) == 5
    assert notes.told == first + first


async def test_a_notification_needs_words_and_somebody() -> None:
    """A notification without a message or a destination is a mistake that shows."""

    async def handler(ctx: Context, input: None) -> None:
        await ctx.notify(message="", destination=[])

    failed(await enter(handler), "ValueError", retryable=True)
