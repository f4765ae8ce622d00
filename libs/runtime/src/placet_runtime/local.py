"""The bus of a single process: what one service emits is handed to the others' receivers by way of memory.

As durable as Postgres: an outbox row stays until its subscriber has committed it, and at start everything that is
left is handed over again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from placet_contracts.topology import SUBSCRIBERS, Service
from placet_runtime.bus import Acks, BusUnavailable, Receive
from placet_runtime.pump import Pump

_HELD_BYTES = 32 * 1024 * 1024  # that wait for one subscriber, of one type


class LocalBroker:
    """What the services of one process share."""

    def __init__(self) -> None:
        self.buses: dict[Service, LocalBus] = {}


class LocalBus:
    """One service's side of a `LocalBroker`."""

    def __init__(self, broker: LocalBroker, service: Service) -> None:
        self._broker = broker
        self._service: Service = service
        self._receivers: dict[str, Receive] = {}
        self._pumps: dict[str, Pump[bytes]] = {}
        self._receive_acks: Callable[[Sequence[Acks]], Awaitable[None]] | None = None
        self._react_to_amnesia: Callable[[], Awaitable[None]] | None = None

    @property
    def service(self) -> Service:
        return self._service

    @property
    def ready(self) -> bool:
        return self._broker.buses.get(self._service) is self

    def subscribe(self, type: str, receive: Receive) -> None:
        self._receivers[type] = receive

    def subscribe_dead(self, receive: Receive) -> None:
        """Nothing dies here: a message stays with its pump until it is committed."""

    def subscribe_acks(self, receive: Callable[[Sequence[Acks]], Awaitable[None]]) -> None:
        self._receive_acks = receive

    def on_amnesia(self, react: Callable[[], Awaitable[None]]) -> None:
        self._react_to_amnesia = react

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        for type, receive in self._receivers.items():
            self._pumps[type] = Pump(
                f"{self._service} {type}", receive, body=lambda body: body, settle=_nothing_to_settle
            )
        self._broker.buses[self._service] = self
        for bus in list(self._broker.buses.values()):  # memory has forgotten what they had sent while this was away
            if bus._react_to_amnesia is not None:
                await bus._react_to_amnesia()
        try:
            yield
        finally:
            await self.stop_receiving()
            self._broker.buses.pop(self._service, None)

    async def stop_receiving(self) -> None:
        pumps, self._pumps = self._pumps, {}
        await asyncio.gather(*(pump.stop() for pump in pumps.values()))

    async def publish(self, type: str, body: bytes) -> None:
        """Hand over to each subscriber that is there; the outbox keeps it for one that is not, or is far behind."""
        for service in SUBSCRIBERS.get(type, ()):
            bus = self._broker.buses.get(service)
            pump = bus and bus._pumps.get(type)
            if pump:
                if pump.held > _HELD_BYTES:
                    raise BusUnavailable(f"{service} has {pump.held} bytes of {type} before it")
                pump.put(body)

    async def acknowledge(self, producer: Service, rows: Sequence[UUID]) -> None:
        bus = self._broker.buses.get(producer)
        if bus is not None and bus._receive_acks is not None:
            await bus._receive_acks([Acks(self._service, rows)])


async def _nothing_to_settle(messages: Sequence[bytes]) -> None:
    """A message is held by its pump alone."""
