"""The load: clients that start runs and decide on them, each by dice of its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from random import Random
from time import monotonic, time
from uuid import UUID

from chaos.client import Api, Json, Started, Verdict
from chaos.history import State
from chaos.stack import NAMESPACE, Stack
from placet.amqp import publish_start
from placet.errors import Unreachable, Unroutable
from placet_contracts.events import ENDED

CLIENTS = 8
SOURCE = "chaos"

_WORKFLOWS = {"one": 76, "two": 5, "expiring": 7, "slow": 12}  # percent
_APPROVED, _REJECTED = 0.7, 0.2  # the others are contested
_CANCELLED = 0.3  # of the contested ones, at the same time
_TWICE = 0.1
_CONTRADICTED = 0.3  # of those started twice
_BY_MESSAGE = 0.15
_PAUSE = (0.02, 0.15)  # seconds, between a client's cycles
_LOOK = 3.0  # seconds, that one long poll waits
_HEARD_WITHIN = 15.0  # seconds; a message that was in a broker that was wiped never is
_LAST = 10.0  # seconds, that the last cycles get to end
_LONGEST = 60.0  # seconds, of a cycle; what is left then ends later, or is found by the checks


@dataclass(frozen=True, slots=True)
class Cycle:
    """A run that came to its end before its client's eyes."""

    began: float  # monotonic
    ended: float
    status: str


class Load:
    """The clients of one test run."""

    def __init__(self, stack: Stack, api: Api, seed: int) -> None:
        self._stack = stack
        self._api = api
        self._seed = seed
        self._stopping = asyncio.Event()
        self._ended = asyncio.Condition()
        self.cycles: list[Cycle] = []
        self.asked: set[str] = set()  # run ids
        self.unfinished: set[str] = set()
        self.mix: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clients at work; at the end each finishes its cycle, if it can within seconds."""
        async with asyncio.TaskGroup() as clients:
            tasks = [clients.create_task(self._client(number), name=f"client {number}") for number in range(CLIENTS)]
            yield
            self._stopping.set()
            _, late = await asyncio.wait(tasks, timeout=_LAST)
            for task in late:
                task.cancel()

    def stop(self) -> None:
        """Begin no more cycles."""
        self._stopping.set()

    async def recovered(self, since: float) -> float:
        """Wait for a cycle that began after a moment; when it ended."""
        async with self._ended:
            while True:
                for cycle in reversed(self.cycles):
                    if cycle.began >= since:
                        return cycle.ended
                await self._ended.wait()

    async def _client(self, client: int) -> None:
        random = Random(f"{self._seed} client {client}")
        for number in count(client, CLIENTS):
            if self._stopping.is_set():
                return
            run_id = f"chaos-{self._seed}-{number}"
            self.asked.add(run_id)
            self.unfinished.add(run_id)
            began = monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST):
                    status = await self._cycle(random, run_id, number)
                self.unfinished.discard(run_id)
                async with self._ended:
                    self.cycles.append(Cycle(began, monotonic(), status))
                    self._ended.notify_all()
            await asyncio.sleep(random.uniform(*_PAUSE))

    async def _cycle(self, random: Random, run_id: str, number: int) -> str:
        """One run from its start to its end."""
        [workflow] = random.choices(list(_WORKFLOWS), list(_WORKFLOWS.values()))
        input: Json = {"number": number, "pad": "x" * random.randrange(200)}
        self.mix[workflow] += 1
        twice, contradicted = random.random() < _TWICE, random.random() < _CONTRADICTED
        if random.random() < _BY_MESSAGE:
            await self._publish(run_id, workflow, input, twice)
        else:
            await self._start(run_id, workflow, input, twice, contradicted)
        decided: set[str] = set()
        heard_by = monotonic() + _HEARD_WITHIN
        while True:
            run = await self._api.run(run_id, wait=_LOOK, until="paused" if not decided else "ended")
            if run is None:  # it came by message, and is not heard of yet
                if monotonic() > heard_by:
                    raise TimeoutError
                await asyncio.sleep(0.05)
                continue
            if run["status"] in ENDED:
                return str(run["status"])
            for approval in run["approvals"]:
                if approval["status"] == "pending" and approval["id"] not in decided:
                    decided.add(approval["id"])
                    await self._decide(random, run_id, approval["id"], workflow)

    async def _start(self, run_id: str, workflow: str, input: Json, twice: bool, contradicted: bool) -> None:
        starts: list[Awaitable[bool]] = [self._api.start(run_id, workflow, input)]
        if twice:
            self._api.memory.counts["starts repeated"] += 1
            starts.append(self._api.start(run_id, workflow, input))
        await asyncio.gather(*starts)
        if twice and contradicted:
            accepted = await self._api.start(run_id, workflow, {**input, "number": -1})
            self._api.memory.counts["contradictions accepted" if accepted else "contradictions refused"] += 1

    async def _publish(self, run_id: str, workflow: str, input: Json, twice: bool) -> None:
        """Start by a message, again and again until the broker confirms it."""
        for again in range(1 + twice):
            self._api.memory.counts["starts repeated"] += again
            while True:
                with suppress(Unreachable, Unroutable):
                    await publish_start(
                        self._stack.servers.amqp_url,
                        workflow,
                        input,
                        run_id=run_id,
                        event_id=run_id,
                        source=SOURCE,
                        namespace=NAMESPACE,
                    )
                    break
                await asyncio.sleep(0.2)
        self._api.memory.counts["starts confirmed by the broker"] += 1
        self._api.memory.started.append(Started(run_id, workflow, input, "amqp", time(), run_id))

    async def _decide(self, random: Random, run_id: str, approval_id: str, workflow: str) -> None:
        if workflow == "expiring":
            self._api.memory.history.may_become(approval_id, ("expired", "clock"))
            if random.random() < 0.7:  # the others are left to the clock
                await asyncio.sleep(random.uniform(1.6, 2.1))
        actors = list(self._stack.deciders)
        dice = random.random()
        if dice < _APPROVED + _REJECTED:
            if workflow == "expiring" and random.random() < 0.3:
                return
            verdict: Verdict = "approve" if dice < _APPROVED else "reject"
            await self._api.decide(approval_id, verdict, random.choice(actors))
            return
        self.mix["contested"] += 1
        verdicts: list[Verdict] = [random.choice(("approve", "reject")) for _ in actors]
        rivals: list[Awaitable[State | None]] = [
            self._api.decide(approval_id, verdict, actor) for actor, verdict in zip(actors, verdicts, strict=True)
        ]
        rivals += [self._api.get(approval_id) for _ in range(2)]
        if random.random() < _CANCELLED:
            self.mix["contested by a cancellation"] += 1
            self._api.memory.history.may_become(approval_id, ("cancelled", "key:client"))
            rivals.append(self._api.cancel(run_id))
        random.shuffle(rivals)
        await asyncio.gather(*rivals)
        await self._api.get(approval_id)


async def settle(api: Api, actors: list[str]) -> int:
    """Approve all that waits for a decision by now; how many those are."""
    waiting = await api.pending()
    for approval in waiting:
        api.memory.history.may_become(str(UUID(approval["id"])), ("expired", "clock"))
    await asyncio.gather(
        *(api.decide(each["id"], "approve", actors[n % len(actors)]) for n, each in enumerate(waiting))
    )
    return len(waiting)
