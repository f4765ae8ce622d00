"""One pass of a run, as the executor and the trial both run it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
import structlog
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from placet import Approval, Context, Email, Interrupt, NotRetryable, Placet, SyncContext
from placet.errors import PassOver
from placet.execution import Completed, Failed, Json, Paused, Snapshot, run_pass
from placet_contracts.destinations import Destination
from placet_contracts.events import Outcome

Handler = Callable[[Context, Any], Awaitable[Any]] | Callable[[SyncContext, Any], Any]


class Notes:
    """A journal that can be read, and can be made to refuse."""

    def __init__(self) -> None:
        self.steps: dict[str, Json] = {}
        self.told: list[tuple[str, str, Destination]] = []
        self.refuses: Exception | None = None

    async def record_step(self, name: str, result: Json) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.steps[name] = result

    async def record_notification(self, key: str, message: str, destination: Destination) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.told.append((key, message, destination))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Handlers raise on purpose here."""
    with structlog.testing.capture_logs():
        yield


def resolved(gate: str, outcome: Outcome = "approved", comment: str | None = None) -> dict[str, Approval]:
    return {gate: Approval(gate, outcome, "ana", datetime(2026, 1, 2, tzinfo=UTC), comment, "inbox")}


async def enter(
    handler: Handler,
    notes: Notes | None = None,
    *,
    input: Json = "null",
    attempt: int = 1,
    steps: Mapping[str, Json] | None = None,
    approvals: Mapping[str, Approval] | None = None,
    timeout: float | None = None,
) -> Completed | Paused | Failed:
    app = Placet()
    app.workflow("flow", timeout=timeout)(handler)
    snapshot = Snapshot("run-1", input, attempt, steps or {}, approvals or {})
    return await run_pass(app.latest("flow"), snapshot, notes or Notes())


def failed(result: object, type: str, *, retryable: bool) -> str:
    """Asserts how a pass failed, and gives the message."""
    assert isinstance(result, Failed)
    assert (result.error.type, result.retryable) == (type, retryable), result.error
    return result.error.message


class Account(BaseModel):
    name: str
    balance: int = 0


# Steps


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


# Gates


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


# Notifications


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


# Input and output


class Transfer(TypedDict):
    amount: Annotated[int, Field(gt=0)]
    to: str


@dataclass
class Receipt:
    number: int


async def test_input_and_output_are_what_is_annotated() -> None:
    """Models, dataclasses and TypedDicts go in and out as JSON; without annotations, plain JSON does."""

    async def typed(ctx: Context[Transfer], input: Transfer) -> Receipt | Interrupt:
        assert ctx.input is input
        return Receipt(number=input["amount"])

    async def untyped(ctx, input):  # type: ignore[no-untyped-def]
        return [input, {1}]

    assert await enter(typed, input='{"amount": 3, "to": "bo"}') == Completed('{"number":3}')
    assert await enter(untyped, input='{"a": 1.5}') == Completed('[{"a":1.5},[1]]')


async def test_an_input_that_does_not_fit_never_reaches_the_handler() -> None:
    """The run fails with the field errors, without the values that were refused."""
    entered = []

    async def handler(ctx: Context, input: Transfer) -> None:
        entered.append(1)

    result = await enter(handler, input='{"amount": "secret"}')

    message = failed(result, "InputInvalid", retryable=False)
    assert message == (
        "amount: Input should be a valid integer, unable to parse string as an integer; to: Field required"
    )
    assert isinstance(result, Failed)
    assert [(item["loc"], item["type"]) for item in result.error.details] == [
        (["amount"], "int_parsing"),
        (["to"], "missing"),
    ]
    assert "secret" not in result.error.model_dump_json()
    assert entered == []


async def test_an_output_that_does_not_fit_fails_the_run() -> None:
    """An output of another type than annotated, or without JSON, is not retried: the work has been done."""

    async def nothing(ctx: Context, input: None) -> Receipt:
        return None  # type: ignore[return-value]

    async def thing(ctx: Context, input: None) -> Any:
        return object()

    failed(await enter(nothing), "OutputInvalid", retryable=False)
    failed(await enter(thing), "OutputInvalid", retryable=False)


async def test_what_a_context_tells() -> None:
    """A handler knows which run it serves; its idempotency key is the same in every attempt."""

    async def handler(ctx: Context, input: None) -> Any:
        ctx.log.info("handler.says")
        return [ctx.run_id, ctx.workflow, ctx.version, ctx.attempt, ctx.idempotency_key, ctx.idempotency_key_for("pay")]

    with structlog.testing.capture_logs() as logs:
        result = await enter(handler, attempt=3)

    assert result == Completed('["run-1","flow",1,3,"placet:run-1","placet:run-1:pay"]')
    assert logs == [
        {
            "event": "handler.says",
            "log_level": "info",
            "run_id": "run-1",
            "workflow": "flow",
            "version": 1,
            "attempt": 3,
        }
    ]


# Failing


async def test_what_a_handler_raises_is_told_and_logged() -> None:
    """Type and message become the run's error; the traceback goes to the log."""

    async def handler(ctx: Context, input: None) -> None:
        raise KeyError

    with structlog.testing.capture_logs() as logs:
        result = await enter(handler)

    assert failed(result, "KeyError", retryable=True) == "KeyError()"
    assert [(entry["event"], type(entry["exc_info"])) for entry in logs] == [("run.raised", KeyError)]


async def test_messages_are_bounded_and_printable() -> None:
    """An error's message fits any store: at most 2,000 characters, no NUL, no half surrogate pair."""

    async def long(ctx: Context, input: None) -> None:
        raise ValueError("\0\ud800" + 10_000 * "x")

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    async def mute(ctx: Context, input: None) -> None:
        raise Mute

    message = failed(await enter(long), "ValueError", retryable=True)
    assert len(message) == 2_000
    assert message.startswith("\ufffd\ufffdx")
    assert failed(await enter(mute), "Mute", retryable=True) == "Mute"


async def test_an_author_can_fail_a_run_for_good() -> None:
    """``NotRetryable``, or what derives from it, is not tried again."""

    class NoSuchUser(NotRetryable):
        pass

    async def handler(ctx: Context, input: None) -> None:
        raise NoSuchUser("u1")

    assert failed(await enter(handler), "NoSuchUser", retryable=False) == "u1"


async def test_exiting_does_not_take_the_worker_along() -> None:
    """``sys.exit`` in a handler fails its run, and nothing else."""

    async def handler(ctx: Context, input: None) -> None:
        raise SystemExit(3)

    failed(await enter(handler), "SystemExit", retryable=True)


async def test_a_pass_that_takes_too_long_times_out() -> None:
    """A timeout ends the pass, and is tried again; the handler's own TimeoutError stays its own."""

    async def handler(ctx: Context, input: None) -> None:
        await asyncio.Event().wait()

    async def own(ctx: Context, input: None) -> None:
        raise TimeoutError("upstream")

    message = failed(await enter(handler, timeout=0.01), "Timeout", retryable=True)
    assert message == "the pass took longer than 0.01 s"
    assert failed(await enter(own, timeout=10), "TimeoutError", retryable=True) == "upstream"


async def test_a_thread_that_timed_out_does_nothing_more(notes: Notes) -> None:
    """A sync handler cannot be stopped, but its next use of the context ends it, whatever it catches."""
    release = threading.Event()
    ended: list[BaseException | str] = []

    def handler(ctx: SyncContext, input: None) -> None:
        release.wait()
        try:
            with suppress(Exception):
                ctx.step("late", lambda: ended.append("called"))
            ended.append("went on")
        except BaseException as error:
            ended.append(error)
            raise
        finally:
            release.clear()

    failed(await enter(handler, notes, timeout=0.01), "Timeout", retryable=True)
    release.set()
    while release.is_set():
        await asyncio.sleep(0)

    assert [type(each) for each in ended] == [PassOver]
    assert notes.steps == {}


async def test_a_cancellation_from_outside_propagates() -> None:
    """A worker that shuts down cancels passes; that is no failure of theirs."""
    entered = asyncio.Event()

    async def handler(ctx: Context, input: None) -> None:
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(enter(handler, timeout=60))
    await entered.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_inside_is_a_failure() -> None:
    """A handler that awaits a task which was cancelled has failed: nobody has asked its pass to stop."""

    async def handler(ctx: Context, input: None) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    failed(await enter(handler), "RuntimeError", retryable=True)


# The journal


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


# Sync handlers


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
