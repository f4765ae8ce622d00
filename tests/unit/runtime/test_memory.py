"""What waits in memory is bounded in bytes, not only in number."""

import asyncio
from collections.abc import Sequence

import pytest
from uuid_utils.compat import uuid7

from placet_runtime import local, outbox, pump
from placet_runtime.bus import BusUnavailable
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.outbox import Outgoing
from placet_runtime.pump import Pump

TYPE = "run.cancel.v1"


class Receiver:
    """Takes batches, one when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.taken = asyncio.Semaphore(0)
        self.may = asyncio.Semaphore(0)

    async def __call__(self, bodies: Sequence[bytes]) -> None:
        self.batches.append(list(bodies))
        self.taken.release()
        await self.may.acquire()

    async def took(self) -> list[bytes]:
        """The next batch, once it is there."""
        async with asyncio.timeout(5):
            await self.taken.acquire()
        return self.batches[-1]


async def _settle(messages: Sequence[bytes]) -> None:
    """They were held here alone."""


async def test_a_batch_takes_no_more_bytes_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large messages go in small batches, one larger than all alone; what waits is counted."""
    monkeypatch.setattr(pump, "_BATCH_BYTES", 100)
    receiver = Receiver()
    made = Pump("x", receiver, body=lambda body: body, settle=_settle)
    made.put(b"first")
    await receiver.took()
    for size in (40, 40, 40, 500, 10, 10):
        made.put(bytes(size))
    assert made.held == 640

    sizes = []
    for _ in range(3):
        receiver.may.release()
        sizes.append([len(body) for body in await receiver.took()])

    assert sizes == [[40, 40, 40], [500], [10, 10]]
    assert made.held == 0
    receiver.may.release()
    await made.stop()


async def test_a_bus_in_memory_takes_no_more_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that is far behind has its events kept in the outbox, which sends them later."""
    monkeypatch.setattr(local, "_HELD_BYTES", 100)
    receiver = Receiver()
    broker = LocalBroker()
    bus = LocalBus(broker, "executor")
    bus.subscribe(TYPE, receiver)
    async with bus.open():
        await bus.publish(TYPE, b"first")
        await receiver.took()
        await bus.publish(TYPE, bytes(101))
        with pytest.raises(BusUnavailable, match="executor has 101 bytes of run"):
            await bus.publish(TYPE, b"one more")

        receiver.may.release()
        await receiver.took()
        await bus.publish(TYPE, b"again")
        receiver.may.release()
        assert await receiver.took() == [b"again"]
        receiver.may.release()


def test_an_outbox_holds_no_more_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the bus is away, what goes beyond stays in the table alone."""
    monkeypatch.setattr(outbox, "_HELD_BYTES", 100)
    offered = outbox._Offered()

    for _ in range(1000):
        offered.add([Outgoing(uuid7(), TYPE, bytes(60))])

    assert len(offered.take()) == 2
    offered.add([Outgoing(uuid7(), TYPE, bytes(60))])
    assert len(offered.take()) == 1
