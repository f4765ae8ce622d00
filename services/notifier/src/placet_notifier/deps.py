"""What the notifier's use cases need; `app` builds it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from placet_notifier.domain import Delivery
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Pool


class Channel(Protocol):
    """One way to reach people."""

    async def send(self, delivery: Delivery) -> None:
        """Send it. Bounded in time; a repetition is one message where the channel can tell.

        Raises:
            Undeliverable: no repetition helps.
            TryLater: a repetition may help. The message may have arrived all the same.
        """


@dataclass(frozen=True, slots=True)
class Deps:
    """One notifier: its store, its channels, and how persistent it is."""

    pool: Pool
    outbox: Outbox
    channels: Mapping[str, Channel]  # by the type of destination
    wake: asyncio.Event  # deliveries may be due
    concurrency: int  # deliveries on their way at a time
    lease: timedelta  # longer than any send can last
    tries: int
    backoff: timedelta  # before the second try; doubles with each
