"""Conditions on a run's input, in CEL (https://cel.dev). What cannot be told raises; who asks then has people decide.

They end soon by what they may be made of, as a thread that evaluates one cannot be stopped: a short expression with at
most two loops (``all``, ``exists``, ``map`` and the like), over an input that is not too large.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import cel
from pydantic_core import to_json

from placet_contracts.policies import LONGEST_CONDITION

LARGEST_INPUT = 64 * 1024  # bytes as JSON
MOST_VALUES = {1: 1000, 2: 100}  # in the input, by how many loops there are; more loops than that are refused

_LOOPS = re.compile(r"\.\s*(all|exists|exists_one|existsOne|map|filter|transform\w*|sortBy)\s*\(")


class CannotTell(Exception):
    """Raised for a condition that has no answer: it does not parse, names a missing field, or costs too much."""


def check(condition: str) -> None:
    """Raises `CannotTell` for a condition that can never be told."""
    _program(condition)


def holds(condition: str, input: object) -> bool:
    """Whether a condition is true of an input, which it knows as ``input``.

    Raises:
        CannotTell: it has no answer.
    """
    program = _program(condition)
    if len(to_json(input)) > LARGEST_INPUT:
        raise CannotTell(f"the input has more than {LARGEST_INPUT} bytes")
    if (loops := len(_LOOPS.findall(condition))) and _size(input) > MOST_VALUES[loops]:
        raise CannotTell(f"the input has more than {MOST_VALUES[loops]} values, too many for its loops")
    try:
        result = program.execute({"input": input})
    except KeyError as error:
        raise CannotTell(f"there is no field {error}") from None
    except Exception as error:
        raise CannotTell(_one_line(error)) from None
    if not isinstance(result, bool):
        raise CannotTell(f"it is neither true nor false, but {result.__class__.__name__}")
    return result


@lru_cache(maxsize=1024)
def _program(condition: str) -> Any:
    if len(condition) > LONGEST_CONDITION:
        raise CannotTell(f"it has more than {LONGEST_CONDITION} characters")
    if len(_LOOPS.findall(condition)) > max(MOST_VALUES):
        raise CannotTell(f"it has more than {max(MOST_VALUES)} loops")
    try:
        return cel.compile(condition)
    except Exception as error:
        raise CannotTell(_one_line(error)) from None


def _size(value: object) -> int:
    """How many values there are in a value."""
    count, level = 0, [value]
    while level:
        count += len(level)
        level = [inner for outer in level for inner in _within(outer)]
    return count


def _within(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
