"""One pass of a run: what goes in, what comes out, and how it fails."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import structlog
from pydantic import Field
from typing_extensions import TypedDict
from unit.placet.passes import Notes, enter, failed

from placet import Context, Interrupt, NotRetryable, SyncContext
from placet.errors import PassOver
from placet.execution import Completed, Failed


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
