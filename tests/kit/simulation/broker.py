"""A bus whose messages wait until the test delivers them: late, twice, in any order, or never."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from placet_contracts.topology import SUBSCRIBERS, Service
from placet_runtime.bus import Acks, BusUnavailable, Receive


@dataclass(frozen=True, slots=True)
class Message:
    """What waits in one subscriber's queue of one type: one event, or a batch of them."""

    service: Service
    type: str
    body: bytes


@dataclass(slots=True)
class Broker:
    """What all replicas share."""

    waiting: list[Message] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)  # all that ever was, for replays
    acks: list[tuple[Service, Acks]] = field(default_factory=list)  # with the producer that they are for
    away: bool = False

    def send(self, type: str, body: bytes) -> None:
        messages = [Message(service, type, body) for service in SUBSCRIBERS[type]]
        self.waiting += messages
        self.sent += messages


class SimulatedBus:
    """One replica's connection."""

    def __init__(self, broker: Broker, service: Service) -> None:
        self._broker = broker
        self._service: Service = service
        self.receivers: dict[str, Receive] = {}
        self.receive_acks: Callable[[Sequence[Acks]], Awaitable[None]] | None = None

    @property
    def service(self) -> Service:
        return self._service

    @property
    def ready(self) -> bool:
        return True

    def subscribe(self, type: str, receive: Receive) -> None:
        self.receivers[type] = receive

    def subscribe_dead(self, receive: Receive) -> None:
        """Nothing is delivered too often here."""

    def subscribe_acks(self, receive: Callable[[Sequence[Acks]], Awaitable[None]]) -> None:
        self.receive_acks = receive

    def on_amnesia(self, react: Callable[[], Awaitable[None]]) -> None:
        """The test itself says when everything is forgotten."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        yield

    async def stop_receiving(self) -> None:
        """Nothing is received but by the test's own call."""

    async def publish(self, type: str, body: bytes) -> None:
        if self._broker.away:
            raise BusUnavailable("the broker is away")
        self._broker.send(type, body)

    async def acknowledge(self, producer: Service, rows: Sequence[UUID]) -> None:
        self._broker.acks.append((producer, Acks(self._service, list(rows))))
