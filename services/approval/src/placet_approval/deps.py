"""What the approval service's use cases need; `app` builds it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Pool
from placet_runtime.receipts import Signer


@dataclass(frozen=True, slots=True)
class Deps:
    """The store, the signer of receipts, and whom to tell."""

    pool: Pool  # for reads; so that they do not wait for writes
    outbox: Outbox
    signer: Signer
    changed: Callable[[Iterable[str | UUID]], None]  # tells those who wait: ids of runs and approvals that moved
    undo: float = 0.0  # seconds for which a decision that is held can be undone
