"""What the approval service's use cases need; `app` builds it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from placet_approval.policy.people import Person
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Connection, Pool
from placet_runtime.receipts import Signer

People = Callable[[Connection, Sequence[str]], Awaitable[Mapping[str, Person]]]
"""Who is behind actors such as ``user:ana``, ``key:ci`` or ``email:ana@example.com``; unknown ones are left out."""


@dataclass(frozen=True, slots=True)
class Deps:
    """The store, the signer of receipts, and whom to tell in this process."""

    pool: Pool  # for reads; so that they do not wait for writes
    outbox: Outbox
    signer: Signer
    people: People
    changed: Callable[[Iterable[object]], None]  # ids of runs and approvals that moved
