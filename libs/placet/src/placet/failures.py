"""What others are told of an exception: its type, its message, and where it was raised; no values of variables."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from placet_contracts.cloudevents import explain
from placet_contracts.events import RunError

_LONGEST_MESSAGE = 2_000
_LONGEST_TRACEBACK = 16 * 1024  # bytes
_MOST_DETAILS = 100
_LONGEST_CHAIN = 20

_CUT = "…\n".encode()
_OURS = f"{Path(__file__).parent}{os.sep}"
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def of(error: BaseException, *, type: str | None = None, message: str | None = None) -> RunError:
    """An exception that a handler has raised, or under another name what it means."""
    return RunError(
        type=type or error.__class__.__name__, message=message or message_of(error), traceback=traceback_of(error)
    )


def message_of(error: BaseException) -> str:
    """What an exception says. Of values that a model has refused, only where and why: they may be secrets."""
    try:
        return bounded(explain(error) if isinstance(error, ValidationError) else str(error) or repr(error))
    except Exception:  # a __str__ of the author's that raises itself
        return error.__class__.__name__


def bounded(message: str) -> str:
    """Printable, for stores and logs that take no NUL and no half surrogate pair, and not too long for them."""
    cut = message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"
    return _printable(cut)


def details(error: ValidationError) -> list[dict[str, Any]]:
    """Field errors, without the values that were refused: they may be secrets."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    return [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in errors[:_MOST_DETAILS]]


def traceback_of(error: BaseException) -> str | None:
    """The end of an exception's traceback, with the exceptions that led to it; ``None`` where no line is the author's.

    Frames of Placet that a handler is called through are left out.
    """
    text = "".join(_chain(error, set()))
    if '  File "' not in text:
        return None
    end = _printable(text[-_LONGEST_TRACEBACK:]).encode()
    if len(text) <= _LONGEST_TRACEBACK and len(end) <= _LONGEST_TRACEBACK:
        return end.decode()
    whole_lines = end[-_LONGEST_TRACEBACK + len(_CUT) :].partition(b"\n")[2]
    return (_CUT + whole_lines).decode()


def _chain(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before, link = error.__cause__, _CAUSED
    if before is None and not error.__suppress_context__:
        before, link = error.__context__, _DURING
    if before is not None and id(before) not in seen and len(seen) < _LONGEST_CHAIN:
        yield from _chain(before, seen)
        yield link
    if frames := traceback.format_tb(_from_author(error.__traceback__)):
        yield "Traceback (most recent call last):\n"
        yield from frames
    yield f"{error.__class__.__name__}: {message_of(error)}\n"
    for note in getattr(error, "__notes__", ()):
        yield f"{note}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, each in enumerate(error.exceptions, 1):
            if id(each) not in seen and len(seen) < _LONGEST_CHAIN:
                yield f"  +---- {number} of {len(error.exceptions)}\n"
                lines = "".join(_chain(each, seen)).splitlines(keepends=True)
                yield from (f"  | {line}" for line in lines)


def _from_author(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
