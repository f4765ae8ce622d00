"""What open pages are told: that something moved, and never what."""

import asyncio

import pytest

from placet_approval import live
from placet_approval.live import ANYTHING, BEGIN, MUCH, Live, topic


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PAUSE", 0.0)


def events(message: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in message.decode().splitlines() if line.startswith("event: ")]


async def test_a_page_looks_again_when_it_begins_to_listen() -> None:
    """As it may have missed something between its making and now."""
    messages = Live(asyncio.Event()).messages()

    assert events(await anext(messages)) == [ANYTHING, BEGIN]
    await messages.aclose()


async def test_a_page_hears_what_moves_by_topics_that_give_no_id_away() -> None:
    """Each of them once, however often it moved."""
    hub = Live(asyncio.Event())
    messages = hub.messages()
    await anext(messages)

    hub.changed(["refund/1", "refund/1", "refund/2"])

    assert events(await anext(messages)) == [ANYTHING, topic("refund/1"), topic("refund/2")]
    assert "refund" not in topic("refund/1")
    await messages.aclose()


async def test_who_misses_much_is_told_that_it_is_much() -> None:
    """And not what, so that nobody who is slow costs memory."""
    hub = Live(asyncio.Event())
    messages = hub.messages()
    await anext(messages)

    for _ in range(3):
        hub.changed(str(number) for number in range(90))
    hub.changed(str(number) for number in range(500, 600))

    assert MUCH in events(await anext(messages))
    await messages.aclose()


async def test_a_page_looks_again_when_its_service_may_have_missed_something() -> None:
    """As while it could not hear the other replicas."""
    hub = Live(asyncio.Event())
    messages = hub.messages()
    await anext(messages)

    hub.missed()

    assert events(await anext(messages)) == [ANYTHING, BEGIN]
    await messages.aclose()


async def test_streams_end_when_the_service_stops() -> None:
    """So that stopping does not wait for browsers."""
    stopping = asyncio.Event()
    hub = Live(stopping)
    messages = hub.messages()
    await anext(messages)

    stopping.set()

    async with asyncio.timeout(5):
        assert [message async for message in messages] == []
    assert not hub.full


async def test_so_many_can_listen_and_no_more() -> None:
    """The rest is told to come later; who leaves makes room."""
    hub = Live(asyncio.Event(), most=1)
    messages = hub.messages()
    await anext(messages)
    assert hub.full

    await messages.aclose()

    assert not hub.full


async def test_nothing_is_told_where_nothing_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock looks twice a second whether something has expired: pages do not look again for that."""
    monkeypatch.setattr(live, "_ALIVE", 0.01)
    hub = Live(asyncio.Event())
    messages = hub.messages()
    await anext(messages)

    hub.changed([])

    assert events(await anext(messages)) == []
    await messages.aclose()
