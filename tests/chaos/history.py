"""What callers asked about approvals and were told, with when: the material of the check for linearizability."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

State = tuple[str, str | None]
"""How an approval stands, and by whom it was ended: ``("pending", None)``, ``("approved", "key:ana")``."""

PENDING: State = ("pending", None)


@dataclass(slots=True)
class Operation:
    """One request. ``returned`` is ``None`` where it is unknown what became of it: it may take effect at any time."""

    kind: Literal["decide", "get"]
    called: float
    returned: float | None = None
    wanted: State | None = None  # what a decision is to bring about
    seen: State | None = None  # what the answer told: for a decision, what it or another has brought about


@dataclass(slots=True)
class History:
    """Operations by approval."""

    operations: defaultdict[str, list[Operation]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def operation(
        self, approval_id: str, kind: Literal["decide", "get"], wanted: State | None = None
    ) -> Iterator[Operation]:
        """Written down from its call on. It has returned if it ends having seen something."""
        made = Operation(kind, monotonic(), wanted=wanted)
        self.operations[approval_id].append(made)
        try:
            yield made
        finally:
            if made.seen is not None:
                made.returned = monotonic()

    def may_become(self, approval_id: str, state: State) -> None:
        """Something else than a request may end an approval: a deadline, or the end of its run."""
        self.operations[approval_id].append(Operation("decide", 0.0, wanted=state))
