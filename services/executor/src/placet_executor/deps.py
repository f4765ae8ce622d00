"""What the executor's use cases need; `app` builds it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from placet.app import Placet
from placet_runtime.outbox import Outbox
from placet_runtime.receipts import Verifier


@dataclass(frozen=True, slots=True)
class Deps:
    """One worker: what it serves, and how it reaches its store."""

    worker: str
    app: Placet
    outbox: Outbox
    verifier: Verifier
    lease: timedelta
    backoff: timedelta  # before the first retry; doubles with each
    wake: Callable[[], None]  # runs may be due
    abandon: Callable[[Sequence[str]], None]  # these runs were taken from whoever executes them

    @property
    def served(self) -> Sequence[tuple[str, int]]:
        """The workflows of the app, as (name, version)."""
        return list(self.app.workflows)
