"""Starting runs by a message: what is refused before anything is sent."""

import sys

import pytest

from placet import publish_start
from placet.errors import Unreachable

NOWHERE = "amqp://127.0.0.1:1/"


@pytest.mark.parametrize("source", ["placet/approval", "placet/executor", "placet/notifier", ""])
async def test_nobody_speaks_as_a_service(source: str) -> None:
    """The services' own sources are theirs."""
    with pytest.raises(ValueError, match="source"):
        await publish_start(NOWHERE, "flow", source=source)


async def test_a_start_that_cannot_be_read_is_not_sent() -> None:
    """Names and inputs are checked here, not in a quarantine."""
    with pytest.raises(ValueError, match="workflow"):
        await publish_start(NOWHERE, "two words")
    with pytest.raises(ValueError, match="Unable to serialize"):
        await publish_start(NOWHERE, "flow", object())


async def test_a_broker_that_is_not_there_is_told() -> None:
    """An error of ours, not of a library."""
    with pytest.raises(Unreachable, match="does not confirm"):
        await publish_start(NOWHERE, "flow")


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """aio-pika is needed here only."""
    monkeypatch.setitem(sys.modules, "aio_pika", None)

    with pytest.raises(ModuleNotFoundError, match=r"install placet\[amqp\]"):
        await publish_start(NOWHERE, "flow")


async def test_every_node_of_a_cluster_is_tried() -> None:
    """It is told only once none of them confirms; an address that is none is refused before."""
    with pytest.raises(Unreachable, match="does not confirm"):
        await publish_start("amqp://127.0.0.1:1/,amqp://127.0.0.1:2/", "flow")
    with pytest.raises(ValueError, match="not an AMQP URL"):
        await publish_start("amqp://127.0.0.1:1/,127.0.0.1:2", "flow")
