"""JSON that every reader takes alike: no name twice in one object, no number without a value."""

import json
import math
from typing import Any


def loads(text: str) -> Any:
    """The value.

    Raises:
        ValueError: it is not JSON (then a `json.JSONDecodeError`), or ambiguous.
    """
    return _STRICT.decode(text)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name is there twice in one object")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number that JSON can hold")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_once_each, parse_float=_finite, parse_constant=_finite)
