"""Tells the other replicas of this service what moved, so that those who wait there look again at once.

By NOTIFY, in a transaction of its own and after the fact: a notifying commit takes a lock of the whole server, which
deciding must not wait for. A hint may get lost, so nothing depends on one but speed. A replica that is
alone sends none.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from uuid import uuid4

from placet_runtime.listener import application_name
from placet_runtime.postgres import Pool

CHANNEL = "placet_approval_changed"
_IDS = 32  # in a hint, of up to 200 bytes each; Postgres takes less than 8,000


class Replicas:
    """What this replica says to the others, and hears of them."""

    def __init__(self, pool: Pool, woken: Callable[[Iterable[str]], None], missed: Callable[[], None]) -> None:
        """``missed`` is called when this replica has begun to listen: what was said before, it has not heard."""
        self._pool = pool
        self._woken = woken
        self._missed = missed
        self._me = uuid4().hex[:8]
        self._alone = True
        self._moved: dict[str, None] = {}
        self._wake = asyncio.Event()

    def tell(self, ids: Iterable[str]) -> None:
        """These runs and approvals moved."""
        if not self._alone:
            self._moved.update(dict.fromkeys(ids))
            self._wake.set()

    def hear(self, hint: str) -> None:
        """What the channel brings; an empty hint when this replica has begun to listen, which the others are told."""
        sender, _, ids = hint.partition(" ")
        if sender == self._me:
            return
        if self._alone:
            self._wake.set()
        if hint:
            self._alone = False
            self._woken(json.loads(ids))
        else:
            self._missed()

    async def look(self) -> None:
        """See whether there are other replicas still."""
        listening = await self._pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
            application_name("approval"),
        )
        self._alone = listening < 2

    async def relay(self) -> None:
        """Send what there is to tell, for ever; what gathers meanwhile goes next."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            moved, self._moved = list(self._moved), {}
            await self._pool.execute(
                """
                SELECT pg_notify($1, hint), set_config('synchronous_commit', 'off', true)
                  FROM unnest($2::text[]) AS hint
                """,
                CHANNEL,
                [f"{self._me} {json.dumps(moved[at : at + _IDS])}" for at in range(0, max(len(moved), 1), _IDS)],
            )
