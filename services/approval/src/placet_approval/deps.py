"""What the approval service's use cases need; `app` builds it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Pool
from placet_runtime.receipts import Signer


@dataclass(frozen=True, slots=True)
class Deps:
    """The store, the signer of receipts, and whom to tell in this process."""

    pool: Pool  # for reads; so that they do not wait for writes
    outbox: Outbox
    signer: Signer
    changed: Callable[[Iterable[object]], None]  # ids of runs and approvals that moved
