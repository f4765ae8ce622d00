"""The conditions of a page: only those that are asked for stand in the statement, so that its plan can use an index."""

from collections.abc import Sequence
from typing import Any


class Conditions:
    """A WHERE clause as it grows, and the values of its parameters; ``values``: those of what stands before it."""

    def __init__(self, values: Sequence[Any] = ()) -> None:
        self._conditions: list[str] = []
        self.values: list[Any] = list(values)

    def add(self, condition: str, *values: Any) -> None:
        """One more condition; each ``{}`` in it stands for a value."""
        first = len(self.values) + 1
        self.values.extend(values)
        self._conditions.append(condition.format(*(f"${first + n}" for n in range(len(values)))))

    @property
    def where(self) -> str:
        """The clause, empty without conditions."""
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""
