"""What services need of a bus. `rabbit.RabbitBus` is the real one; `local.LocalBus` serves a single process.

Both deliver each event at least once to every subscriber, in batches, and again, with back-off, until the receiver
returns. Neither keeps the order.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from placet_contracts.topology import Service

# Gets the bodies of messages, each one event or a batch of them. Returning means that they are committed.
Receive = Callable[[Sequence[bytes]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Acks:
    """A subscriber has committed all events of these rows of our outbox."""

    subscriber: Service
    rows: Sequence[UUID]


class BusUnavailable(ConnectionError):
    """Raised when an event could not be handed to the broker now. It may have arrived all the same."""


class Bus(Protocol):
    """One service's connection. Subscribe first, then open."""

    @property
    def service(self) -> Service: ...

    @property
    def ready(self) -> bool:
        """Whether events can be published and received now."""

    def subscribe(self, type: str, receive: Receive) -> None:
        """Have ``receive`` called with what this service hears of an event type."""

    def subscribe_dead(self, receive: Receive) -> None:
        """Have ``receive`` called with messages that were delivered too often without being settled."""

    def subscribe_acks(self, receive: Callable[[Sequence[Acks]], Awaitable[None]]) -> None:
        """Have ``receive`` called when subscribers have committed events of this service."""

    def on_amnesia(self, react: Callable[[], Awaitable[None]]) -> None:
        """Have ``react`` called when the broker turns out to have lost what it was given."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and stay connected until the context ends."""

    async def stop_receiving(self) -> None:
        """Finish the batches that are under way, and take no more."""

    async def publish(self, type: str, body: bytes) -> None:
        """Hand a message over; when this returns, it is the broker's, durably.

        Raises:
            BusUnavailable: it is unknown whether the broker has it.
        """

    async def acknowledge(self, producer: Service, rows: Sequence[UUID]) -> None:
        """Tell a producer that the events of these rows of its outbox are committed here.

        May get lost: then the producer sends them again.
        """
