"""What others are told of an exception: enough to find the line, and no secret."""

import asyncio
from typing import Any

from pydantic import BaseModel, SecretStr
from unit.placet.passes import enter

from placet import Context, SyncContext
from placet.execution import Failed


class Login(BaseModel):
    user: str
    password: SecretStr


def _traceback(result: object) -> str:
    assert isinstance(result, Failed)
    assert result.error.traceback is not None
    return result.error.traceback


async def test_a_traceback_leads_to_the_line_and_to_what_caused_it() -> None:
    """It names the author's lines from the handler on and the chain of exceptions, and nothing that Placet does."""

    def look_up() -> None:
        raise KeyError("ada")

    async def handler(ctx: Context, input: Any) -> None:
        try:
            look_up()
        except KeyError as error:
            raise LookupError("nobody of that name") from error

    text = _traceback(await enter(handler))

    assert text.index("in handler") < text.index("in look_up") < text.index("KeyError: 'ada'")
    assert text.index("KeyError: 'ada'") < text.index("direct cause") < text.index("LookupError: nobody of that name")
    assert "execution.py" not in text
    assert text.endswith("LookupError: nobody of that name\n")


async def test_steps_in_threads_and_sync_handlers_have_tracebacks() -> None:
    """Wherever the author's code runs, its lines are named."""

    def explode() -> None:
        raise OSError("no disk")

    async def with_a_step(ctx: Context, input: Any) -> None:
        await ctx.step("explode", explode)

    def in_a_thread(ctx: SyncContext, input: Any) -> None:
        ctx.step("explode", explode)

    for handler in (with_a_step, in_a_thread):
        text = _traceback(await enter(handler))
        assert f"in {handler.__name__}" in text
        assert "in explode" in text


async def test_a_timeout_says_where_it_hung() -> None:
    """The traceback of a pass that took too long ends at the line that it waited in."""

    async def handler(ctx: Context, input: Any) -> None:
        await asyncio.Event().wait()  # hangs here

    result = await enter(handler, timeout=0.01)

    assert "hangs here" in _traceback(result)
    assert isinstance(result, Failed)
    assert result.error.type == "Timeout"


async def test_all_exceptions_of_a_group_are_told() -> None:
    """Of a TaskGroup, each exception that ended it is there with its own lines."""

    async def fail(name: str) -> None:
        raise ValueError(f"{name} failed")

    async def handler(ctx: Context, input: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail("first"))
            group.create_task(fail("second"))

    text = _traceback(await enter(handler))

    assert "ValueError: first failed" in text
    assert "ValueError: second failed" in text
    assert "1 of 2" in text


async def test_no_secret_is_told() -> None:
    """Neither variables nor values that a model refused are in the message or in the traceback."""
    hidden = "hunter2"

    async def handler(ctx: Context, input: dict[str, str]) -> None:
        login = Login(user="ada", password=SecretStr(input["password"]))
        try:
            Login.model_validate({"password": input["password"]})
        except ValueError as error:
            raise RuntimeError(f"cannot sign in with {login}") from error

    async def refused(ctx: Context, input: dict[str, str]) -> None:
        Login.model_validate({"password": input["password"]})

    for each in (handler, refused):
        result = await enter(each, input=f'{{"password": "{hidden}"}}')
        assert isinstance(result, Failed)
        assert hidden not in result.error.model_dump_json()
        assert "user: Field required" in _traceback(result)


async def test_a_traceback_is_bounded_and_keeps_its_end() -> None:
    """Of a long one the last 16 KiB are told, in whole lines."""

    async def handler(ctx: Context, input: Any) -> None:
        error: Exception = ValueError("ü" * 1000)
        for _ in range(15):
            try:
                raise error
            except ValueError:
                error = ValueError("ü" * 1000)
        raise RuntimeError("the last straw") from ExceptionGroup("all", [ValueError("ü" * 1000) for _ in range(18)])

    text = _traceback(await enter(handler))

    assert len(text.encode()) <= 16 * 1024
    assert text.startswith("…\n")
    assert text.endswith("RuntimeError: the last straw\n")


async def test_what_the_handler_did_not_raise_has_no_traceback() -> None:
    """An input that does not fit, and what Placet itself finds wrong, name no line of the author's."""

    async def handler(ctx: Context, input: Login) -> None:
        raise AssertionError("never called")

    result = await enter(handler, input='{"user": 1}')

    assert isinstance(result, Failed)
    assert result.error.traceback is None
