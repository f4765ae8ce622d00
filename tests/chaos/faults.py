"""The faults: how each is brought about and ended, and how it is seen that it had an effect."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from chaos import messages
from chaos.entry import HANG
from chaos.replica import Replica
from chaos.schedule import Kind, Planned
from chaos.stack import LEASE, NAMESPACE, Stack
from kit.proxy import CALM, Weather
from placet_contracts.topology import Service, queues

_REPLICAS = ("executor-0", "approval-0", "executor-1", "approval-1", "notifier-0")
_ENDS_WITHIN = 60.0  # seconds, a process that was told to: handlers get 25 of them
_FIRES_WITHIN = 15.0  # seconds, an armed point
_REAPED_WITHIN = 10.0  # seconds, a lease that has run out, by an executor that may be held up itself
_HELD_WITHIN = 20.0  # seconds, a lease by an executor
_GIVEN_WITHIN = 10.0  # seconds, bad answers of the far end
_TAKEN_WITHIN = 30.0  # seconds, messages by a broker, and any notification: another fault may have them held up

_WEATHERS: Mapping[str, Weather] = {
    "hole": Weather(hole=True),
    "half-close": Weather(deaf=True),
    "latency": Weather(latency=0.3),
    "throttle": Weather(rate=8_000),
    "cut after 4 KB": Weather(cut_after=4_096),
}

_POINTS: Mapping[Service, tuple[str, ...]] = {
    "approval": ("decide", "start", "open", "consume"),
    "executor": ("pause", "take_in", "resume", "claim", "step", "finish", "consume"),
    "notifier": ("deliver", "notify", "consume"),
}
_MORE_POINTS: Mapping[Service, tuple[str, ...]] = {
    "approval": ("relay.before_publish", "relay.after_publish"),
    "executor": ("relay.before_publish", "relay.after_publish"),
    "notifier": ("deliver.before_send", "deliver.after_send"),
}

KINDS: Mapping[str, Kind] = {
    "kill": Kind(30, ("kill",), _REPLICAS),
    "stop": Kind(15, ("stop",), _REPLICAS),
    "network": Kind(
        20, tuple(f"{how}, {to}" for how in ("hole", "reset", *_WEATHERS) for to in ("postgres", "rabbitmq")), _REPLICAS
    ),
    "postgres": Kind(8, ("kill", "immediate stop"), ("postgres",)),
    "broker": Kind(7, ("wipe", "kill", "queue deleted", "memory alarm"), ("rabbitmq",)),
    "replay": Kind(10, ("shuffled and doubled",), ("messages",)),
    "far end": Kind(5, ("429, 5xx, dropped",), ("mail, slack, webhook",)),
    "failpoint": Kind(5, ("kill", "raise", "hang"), _REPLICAS),
}


@dataclass(slots=True)
class Effect:
    """What a fault brought about; ``seen`` says how that was measured, and is empty where it was not."""

    seen: str = ""
    runs: list[str] = field(default_factory=list)  # that had not ended when it came
    stuck: str = ""  # a process that did not end as it was told to


async def inject(stack: Stack, folder: Path, planned: Planned) -> Effect:
    """Bring a fault about and end it again. Returns once its cause has gone, not what it has caused."""
    async with _alone(stack, planned.target):
        return await _INJECT[planned.kind](stack, folder, planned, Random(planned.dice))


@asynccontextmanager
async def _alone(stack: Stack, target: str) -> Any:
    """One fault at a time in one thing; in several things at the same time there may be."""
    busy = {**stack.busy, **{replica.name: replica.busy for replica in stack.replicas}}.get(target)
    if busy is None:
        yield
    else:
        async with busy:
            yield


def _replica(stack: Stack, planned: Planned) -> Replica:
    return next(replica for replica in stack.replicas if replica.name == planned.target)


async def _kill(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    replica = _replica(stack, planned)
    await replica.started()
    pid = replica.signal(signal.SIGKILL)
    await replica.ended(pid)
    await replica.started()
    return Effect("killed by SIGKILL" if replica.ends[-1] == -signal.SIGKILL else "")


async def _stop(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    """For longer than a lease; an executor while it holds some, and once more if it had come to their end before."""
    effect = await _stop_once(stack, _replica(stack, planned), random)
    return effect if effect.seen else await _stop_once(stack, _replica(stack, planned), random)


async def _stop_once(stack: Stack, replica: Replica, random: Random) -> Effect:
    pid = await replica.started()
    held = await _held(stack, pid) if replica.service == "executor" else []
    replica.signal(signal.SIGSTOP)
    lost: list[str] = []
    try:
        await asyncio.sleep(LEASE + random.uniform(1.5, 3.0))  # it is in this state that time has to pass
        deadline = monotonic() + _REAPED_WITHIN
        while held and not (lost := await _lost(stack, held)) and monotonic() < deadline:
            await asyncio.sleep(0.1)
        stopped = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        stopped = False
    finally:
        replica.signal(signal.SIGCONT)
    if replica.service != "executor":
        return Effect("stopped" if stopped else "")
    return Effect(f"leases lost: {len(lost)}" if stopped and lost else "", lost)


async def _lost(stack: Stack, run_ids: list[str]) -> list[str]:
    rows = await stack.fetch("SELECT id FROM executor.runs WHERE id = ANY ($1) AND lost_leases > 0", run_ids)
    return [row["id"] for row in rows]


async def _held(stack: Stack, pid: int) -> list[str]:
    """Runs that an executor has just taken, and will be busy with; none, if it takes none within seconds."""
    deadline = monotonic() + _HELD_WITHIN
    while monotonic() < deadline:
        rows = await stack.fetch(
            """
            SELECT id FROM executor.runs
             WHERE status = 'running' AND worker LIKE $1 AND workflow = 'slow' AND updated_at > now() - interval '0.7 s'
            """,
            f"%-{pid}-%",
        )
        if rows:
            return [row["id"] for row in rows]
        await asyncio.sleep(0.03)
    return []


async def _network(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    how, _, server = planned.variant.partition(", ")
    proxy = _replica(stack, planned).proxies[server]
    before = proxy.troubled
    if how == "reset":
        for _ in range(random.randint(2, 6)):
            proxy.cut()
            await asyncio.sleep(random.uniform(0.2, 1.0))
    else:
        await proxy.become(_WEATHERS[how])
        await asyncio.sleep(random.uniform(3.0, 9.0))
        await proxy.become(CALM)
    troubled = proxy.troubled - before
    return Effect(f"troubled {troubled} times" if troubled else "")


async def _postgres(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    started = await stack.fetch("SELECT pg_postmaster_start_time() AS at")
    runs = await _unfinished(stack)
    if planned.variant == "kill":
        stack.postgres.kill()
    else:
        await asyncio.to_thread(stack.postgres.quit)
    await asyncio.sleep(random.uniform(0.2, 3.0))
    await stack.postgres.start()
    again = await stack.fetch("SELECT pg_postmaster_start_time() AS at")
    return Effect("a new server recovered" if again != started else "", runs)


async def _broker(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    runs = await _unfinished(stack)
    if planned.variant == "queue deleted":
        name = random.choice([name for name in queues(NAMESPACE) if ".v1" in name])
        count = await messages.delete_queue(stack, name)
        return Effect(f"{name} with {count} messages" if count is not None else "", runs)
    if planned.variant == "memory alarm":
        await asyncio.to_thread(stack.rabbitmq.memory_alarm, True)
        blocked = not await messages.can_publish(stack, within=2.0)
        await asyncio.sleep(random.uniform(2.0, 6.0))
        await asyncio.to_thread(stack.rabbitmq.memory_alarm, False)
        return Effect("publishers were blocked" if blocked else "", runs)
    await asyncio.to_thread(stack.rabbitmq.wipe if planned.variant == "wipe" else stack.rabbitmq.kill)
    gone = not await messages.can_publish(stack, within=2.0)
    await asyncio.to_thread(stack.rabbitmq.start)
    return Effect("nobody could publish" if gone else "", runs)


async def _unfinished(stack: Stack) -> list[str]:
    rows = await stack.fetch("SELECT id FROM executor.runs WHERE ended_at IS NULL AND NOT parked")
    return [row["id"] for row in rows]


async def _replay(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    deadline = monotonic() + _TAKEN_WITHIN
    while not (sent := await messages.replay(stack, random, at_most=400)) and monotonic() < deadline:
        await asyncio.sleep(0.5)
    return Effect(f"{sent} messages again" if sent else "")


async def _far_end(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    stack.far_end.misbehave(random, times := random.randint(5, 12))
    began = monotonic()
    while left := stack.far_end.bad_answers_left:
        if monotonic() > began + (_GIVEN_WITHIN if left < 3 * times else _TAKEN_WITHIN):
            break
        await asyncio.sleep(0.1)
    given = 3 * times - stack.far_end.bad_answers_left
    stack.far_end.behave()
    return Effect(f"{given} bad answers" if given > 0 else "")


async def _failpoint(stack: Stack, folder: Path, planned: Planned, random: Random) -> Effect:
    """At a point that is drawn; or where its service does not come to that, at one that it comes to all the time."""
    replica = _replica(stack, planned)
    points = [f"{of}.{when}_commit" for of in _POINTS[replica.service] for when in ("before", "after")]
    point = random.choice([*points, *_MORE_POINTS[replica.service]])
    stuck = ""
    for spec in (f"{point}:{planned.variant}:{random.randint(1, 3)}", f"consume.after_commit:{planned.variant}:1"):
        stuck = stuck or await _restart_armed(replica, spec, folder)
        if await _comes_to(replica, spec, folder):
            return Effect(spec, stuck=stuck)
    return Effect(stuck=stuck)


async def _restart_armed(replica: Replica, spec: str, folder: Path) -> str:
    """Restart a process in order, armed; what was wrong with its end."""
    await replica.started()
    pid = replica.signal(signal.SIGTERM)
    replica.arm({"CHAOS_FAIL": spec, "CHAOS_FIRED": str(_fired(replica, spec, folder))})
    try:
        async with asyncio.timeout(_ENDS_WITHIN):
            await replica.ended(pid)
    except TimeoutError:
        replica.signal(signal.SIGKILL)
        await replica.ended(pid)
        return f"{replica.name} did not end within {_ENDS_WITHIN:.0f} s of SIGTERM"
    return ""


def _fired(replica: Replica, spec: str, folder: Path) -> Path:
    return folder / f"fired {replica.name} {spec}"


async def _comes_to(replica: Replica, spec: str, folder: Path) -> bool:
    """Whether a process that is armed comes to that point, and has it behind it."""
    fired = _fired(replica, spec, folder)
    armed = await replica.started()
    deadline = monotonic() + _FIRES_WITHIN
    while not fired.exists() and monotonic() < deadline:
        await asyncio.sleep(0.05)
    if not fired.exists():
        return False
    fired.unlink()
    if ":kill:" in spec:
        await replica.ended(armed)
    elif ":hang:" in spec:
        await asyncio.sleep(HANG)  # for as long as it stands still
    return True


_INJECT: Mapping[str, Callable[[Stack, Path, Planned, Random], Awaitable[Effect]]] = {
    "kill": _kill,
    "stop": _stop,
    "network": _network,
    "postgres": _postgres,
    "broker": _broker,
    "replay": _replay,
    "far end": _far_end,
    "failpoint": _failpoint,
}
