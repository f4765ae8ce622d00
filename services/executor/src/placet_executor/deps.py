"""What the executor's use cases need; `app` builds it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from placet.app import Placet
from placet_executor.domain import Claimed, Offer
from placet_runtime.outbox import Outbox
from placet_runtime.receipts import Verifier


class Hands(Protocol):
    """Who executes passes in this process."""

    def room(self, wanted: int) -> AbstractContextManager[int]:
        """Keep slots free, as many as there are up to ``wanted``, for runs that are being claimed.

        None while older runs wait for a slot: those go first.
        """

    def execute(self, claimed: Sequence[Claimed]) -> None:
        """Begin passes of runs that are claimed, durably."""

    def wake(self) -> None:
        """Runs may be due."""

    def abandon(self, run_ids: Sequence[str]) -> None:
        """These runs were taken from whoever executes them."""


@dataclass(frozen=True, slots=True)
class Deps:
    """One worker: what it serves, and how it reaches its store."""

    worker: str
    app: Placet
    outbox: Outbox
    verifier: Verifier
    lease: timedelta
    backoff: timedelta  # before the first retry; doubles with each
    hands: Hands

    def offer(self, room: int) -> Offer:
        """To take up to ``room`` runs."""
        return Offer(self.worker, self.served, self.lease, room)

    @property
    def served(self) -> Sequence[tuple[str, int]]:
        """The workflows of the app, as (name, version)."""
        return list(self.app.workflows)
