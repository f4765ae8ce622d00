"""What is durable about a run: what a pass begins with, and how it adds to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from placet.values import Json
from placet_contracts.destinations import Destination
from placet_contracts.events import Outcome


@dataclass(frozen=True, slots=True)
class Approval:
    """How a gate was resolved: by whom, when, through which channel, with which comment."""

    gate: str
    outcome: Outcome
    resolved_by: str
    resolved_at: datetime
    comment: str | None
    channel: str

    @property
    def approved(self) -> bool:
        return self.outcome == "approved"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as a pass finds it. ``attempt`` counts from 1, a pause is none; ``approvals`` holds resolved gates only."""

    run_id: str
    input: Json
    attempt: int
    steps: Mapping[str, Json]
    approvals: Mapping[str, Approval]


class Journal(Protocol):
    """Writes down what a handler does. Durable before a call returns; an exception ends the pass, and leaves it."""

    async def record_step(self, name: str, result: Json, took: timedelta) -> None: ...

    async def record_notification(self, key: str, message: str, destination: Destination) -> None:
        """Have somebody told, once per key of a run: a repeat of a key is no error and tells nobody."""
