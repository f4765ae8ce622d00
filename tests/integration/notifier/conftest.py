"""A notifier that runs, and the approval service's ear."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from placet_contracts import cloudevents
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.destinations import Destination
from placet_contracts.events import ApprovalOpened, DeliveryChanged, Event, NotificationRequested
from placet_contracts.topology import source
from placet_notifier import app
from placet_notifier.settings import Settings
from placet_runtime.bus import Bus
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.outbox import row_id


@dataclass
class Timeline:
    """What the approval service hears of deliveries, and how it has people told."""

    bus: Bus
    changes: list[DeliveryChanged] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.bus.subscribe(DeliveryChanged.type, self._receive)

    async def open_approval(self, *destinations: Destination, **facts: Any) -> ApprovalOpened:
        event = ApprovalOpened.model_validate(
            {
                "approval_id": uuid4(),
                "run_id": "run-1",
                "workflow": "delete-user",
                "version": 1,
                "gate": "approval",
                "message": "Delete 42?",
                "destinations": destinations,
                "opened_at": datetime.now(UTC),
            }
            | facts
        )
        await self.tell(event)
        return event

    async def notify(self, destination: Destination, message: str = "Done.") -> NotificationRequested:
        event = NotificationRequested(
            notification_id=uuid4(), run_id="run-1", workflow="delete-user", message=message, destination=destination
        )
        await self.tell(event)
        return event

    async def tell(self, *events: Event) -> None:
        """Publish events of one type in one message."""
        envelopes = [CloudEvent(str(uuid4()), source("approval"), event) for event in events]
        await self.bus.publish(events[0].type, cloudevents.join(map(cloudevents.encode, envelopes)))

    async def until(self, status: str, count: int = 1) -> list[DeliveryChanged]:
        """Wait until so many deliveries have come to a status; those changes."""
        async with asyncio.timeout(15), self._changed:
            await self._changed.wait_for(lambda: len(self._in(status)) >= count)
        return self._in(status)

    def of(self, delivery_id: UUID) -> list[DeliveryChanged]:
        """A delivery's changes, each once, in the order in which they happened."""
        known = {change.seq: change for change in self.changes if change.delivery_id == delivery_id}
        return [known[seq] for seq in sorted(known)]

    def _in(self, status: str) -> list[DeliveryChanged]:
        return [change for change in self.changes if change.status == status]

    async def _receive(self, bodies: Sequence[bytes]) -> None:
        events = [cloudevents.decode(value) for body in bodies for value in cloudevents.parse(body)]
        async with self._changed:
            self.changes += [event.data for event in events if isinstance(event.data, DeliveryChanged)]
            self._changed.notify_all()
        await self.bus.acknowledge("notifier", [row for event in events if (row := row_id(event.id)) is not None])


@dataclass(frozen=True)
class Running:
    """A notifier, and what it says."""

    notifier: app.Notifier
    timeline: Timeline


Run = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def timeline_on() -> Callable[[Bus], Timeline]:
    """The approval service's ear on some bus."""
    return Timeline


@pytest.fixture
def run(database_url: str) -> Run:
    """Runs a notifier with these settings on a fresh database."""

    @asynccontextmanager
    async def running(**settings: Any) -> AsyncIterator[Running]:
        quick: dict[str, Any] = {"delivery_backoff": 0.001, "delivery_timeout": 10, "mail_from": "placet@example.com"}
        chosen = Settings(**({"database_url": database_url} | quick | settings))
        broker = LocalBroker()
        timeline = Timeline(LocalBus(broker, "approval"))
        async with timeline.bus.open(), app.service(chosen, LocalBus(broker, "notifier")) as notifier:
            yield Running(notifier, timeline)

    return running
