"""One test run: boot, baseline, faults, healing, checks."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time

from chaos import faults, load, messages, planted, schedule
from chaos.client import Api, Memory, api
from chaos.evidence import Evidence, Injected, audit, snapshot, tamper
from chaos.faults import Effect, inject
from chaos.load import Load
from chaos.report import Report, report
from chaos.schedule import Kind, Planned, plan
from chaos.stack import Servers, Stack, one_of_each, running
from chaos.usage import growth, usage

BASELINE = 10.0  # seconds
HEAL = 40.0
_RECOVERS_WITHIN = 60.0
_ENDS_WITHIN = 180.0  # a fault, and those that it has to wait for
_LOOKS_EVERY = 0.25
_REPLAYED_WITHIN = 30.0
_AGED = 3  # runs
_UNSERVED = 99  # a version that nobody has

_AGE = """
UPDATE approval.runs SET created_at = created_at - interval '3 years', updated_at = updated_at - interval '3 years'
 WHERE id = ANY ($1);
UPDATE executor.runs
   SET created_at = created_at - interval '3 years', updated_at = updated_at - interval '3 years',
       due_at = due_at - interval '3 years'
 WHERE id = ANY ($1)
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What a test run is to be."""

    seed: int
    folder: Path  # for servers, logs and the ledger
    faults: float = 105.0  # seconds
    kinds: Mapping[str, Kind] = field(default_factory=lambda: faults.KINDS)
    plant: str | None = None
    servers: Callable[[Path], AbstractAsyncContextManager[Servers]] = one_of_each
    inject: Callable[[Stack, Path, Planned], Awaitable[Effect]] = inject
    heal: Callable[[Stack], Awaitable[None]] | None = None  # of what faults have left behind, once all have come
    gap: tuple[float, float] = schedule.GAP  # seconds between the beginnings of two faults
    spared: Collection[str] = ()  # invariants that no fault aims at


async def run(options: Options) -> Report:
    """Run, and report."""
    began = monotonic()
    environment = {"CHAOS_PLANT": options.plant} if options.plant else {}
    async with (
        running(options.folder, environment=environment, servers=options.servers) as stack,
        AsyncExitStack() as opened,
    ):
        if options.plant == "read-then-write":
            async with stack.database() as conn:
                await conn.execute(planted.UNGUARDED)
        memory = Memory()
        caller = await opened.enter_async_context(api(stack, memory))
        booted = monotonic() - began
        clients = Load(stack, caller, options.seed)
        async with clients.running():
            aged, unserved = await _set_apart(stack, caller, options.seed)
            down = await _baseline(stack)
            before = usage(stack)
            injected = await _faults(stack, clients, options)
            healed = monotonic()
            clients.stop()
        rested = await _rest(stack, caller, healed)
        parked = [id for id in unserved if (found := await caller.run(id)) is not None and found["parked"]]
        grown = growth(before, usage(stack))
        evidence = Evidence(memory, injected, aged, unserved, parked, down, rested)
        evidence.asked = clients.asked | set(aged) | set(unserved)
        evidence.guarded = await tamper(stack)
        evidence.replayed, evidence.moved = await _replay_all(stack, options.seed)
        evidence.audited = await audit(stack)
        await evidence.gather(stack)
        return await report(
            options.seed,
            options.plant,
            stack,
            clients,
            evidence,
            grown,
            options.kinds,
            options.spared,
            booted,
            monotonic() - began,
        )


async def _set_apart(stack: Stack, caller: Api, seed: int) -> tuple[list[str], list[str]]:
    """Runs that are to wait for years, and runs that nobody serves."""
    aged = [f"aged-{seed}-{number}" for number in range(_AGED)]
    unserved = [f"unserved-{seed}-{number}" for number in range(_AGED)]
    for number in range(_AGED):
        await caller.start(aged[number], "one", {"number": number})
        await caller.start(unserved[number], "one", {"number": number}, version=_UNSERVED)
    for run_id in aged:
        while (found := await caller.run(run_id, wait=5, until="paused")) is None or found["status"] != "paused":
            await asyncio.sleep(_LOOKS_EVERY)
    async with stack.database() as conn, conn.transaction():
        for statement in _AGE.split(";"):
            await conn.execute(statement, aged)
    return aged, unserved


async def _baseline(stack: Stack) -> tuple[float, float]:
    """Load without faults, but for a notifier that is down for half of it; from when until when it was."""
    began = monotonic()
    notifiers = stack.of("notifier")
    for replica in notifiers:
        replica.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(BASELINE / 2)
    finally:
        for replica in notifiers:
            replica.signal(signal.SIGCONT)
    ended = monotonic()
    await asyncio.sleep(BASELINE / 2)
    return began, ended


async def _faults(stack: Stack, clients: Load, options: Options) -> Sequence[Injected]:
    """Bring faults about as planned, whether the one before is over or not; all have ended when this returns."""
    began = monotonic()
    injected: list[Injected] = []

    async def one(planned: Planned) -> None:
        await asyncio.sleep(max(0.0, began + planned.at - monotonic()))
        at = time()
        try:
            async with asyncio.timeout(_ENDS_WITHIN):
                effect = await options.inject(stack, options.folder, planned)
        except Exception as error:
            raise RuntimeError(f"{planned} could not be brought about") from error
        ended, over = monotonic(), time()
        recovery: float | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECOVERS_WITHIN):
                recovery = await clients.recovered(ended) - ended
        injected.append(Injected(planned, effect, at, over, recovery))

    async with asyncio.TaskGroup() as tasks:
        for planned in plan(options.seed, options.faults, options.kinds, options.gap):
            tasks.create_task(one(planned), name=f"fault at {planned.at}")
    if options.heal is not None:
        await options.heal(stack)
    await asyncio.wait_for(stack.ready(), _RECOVERS_WITHIN)
    return sorted(injected, key=lambda each: each.planned.at)


async def _rest(stack: Stack, caller: Api, healed: float) -> float | None:
    """Decide on what is left, until nothing moves; after how many seconds that was, ``None`` if it was not in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HEAL):
            while await load.settle(caller, list(stack.deciders)) or not await _at_rest(stack):
                await asyncio.sleep(_LOOKS_EVERY)
            return monotonic() - healed
    return None


async def _at_rest(stack: Stack) -> bool:
    [row] = await stack.fetch(
        """
        SELECT (SELECT count(*) FROM executor.runs WHERE ended_at IS NULL AND NOT parked) AS runs,
               (SELECT count(*) FROM approval.runs WHERE ended_at IS NULL AND NOT parked) AS shown,
               (SELECT count(*) FROM notifier.deliveries WHERE due_at IS NOT NULL) AS deliveries,
               (SELECT count(*) FROM executor.outbox) + (SELECT count(*) FROM approval.outbox)
                 + (SELECT count(*) FROM notifier.outbox) AS outboxes
        """
    )
    return not any(row.values())


async def _replay_all(stack: Stack, seed: int) -> tuple[int, list[str]]:
    """Send every message that ever was again, twice and shuffled; how many, and what that has changed."""
    before = await snapshot(stack)
    sent = await messages.replay(stack, Random(f"{seed} replay"))
    deadline = monotonic() + _REPLAYED_WITHIN
    while any((await messages.depths(stack)).values()) and monotonic() < deadline:
        await asyncio.sleep(_LOOKS_EVERY)
    with suppress(TimeoutError):
        async with asyncio.timeout(HEAL / 2):
            while not await _at_rest(stack):
                await asyncio.sleep(_LOOKS_EVERY)
    after = await snapshot(stack)
    return sent, [f"changed by a repeat: {row}" for row in sorted(before ^ after)][:20]
