"""A deployment whose every delivery, commit, crash and second is the test's own choice.

The handlers, the consumers and the outboxes are the product's; Postgres is real; the broker, the processes and the
clock are simulated. A process that crashes loses its memory: events that its outbox has not handed over, and the
passes that it executes. The database's clock cannot be set, so time passes by moving all deadlines closer.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import asyncpg

from kit.simulation import audit
from kit.simulation.broker import Broker, Message, SimulatedBus
from kit.simulation.processes import Approver, Attempt, Executor, Hands, HeldOutbox, Hold, Replica
from kit.simulation.workflows import Ledger, workflows
from placet_approval import consumer as approval_consumer
from placet_approval.deps import Deps as ApprovalDeps
from placet_approval.handlers import decisions
from placet_contracts.cloudevents import CloudEvent, decode, parse
from placet_contracts.events import ApprovalOpened, NotificationRequested, WorkflowStart
from placet_contracts.topology import producer
from placet_executor import consumer as executor_consumer
from placet_executor.deps import Deps as ExecutorDeps
from placet_executor.domain import LeaseLost
from placet_executor.handlers import leases, passes
from placet_runtime import fail
from placet_runtime.bus import Acks, BusUnavailable
from placet_runtime.consumer import Consumer
from placet_runtime.outbox import row_id
from placet_runtime.postgres import UNAVAILABLE, Pool, session_settings
from placet_runtime.receipts import Signer, Verifier, generate_key, public_key

LEASE = timedelta(seconds=30)
BACKOFF = timedelta(seconds=10)


class World:
    """Two replicas of the approval service, two executors, and a notifier that listens."""

    def __init__(self, approval: Pool, executor: Pool) -> None:
        self.pools = {"approval": approval, "executor": executor}
        self.seen: Counter[str] = Counter()  # what has happened, over all examples
        self.room = 0  # slots that executors keep for runs that they take in or resume
        self.signing_key = generate_key()
        self.signer = Signer(self.signing_key)

    @classmethod
    @asynccontextmanager
    async def on(cls, url: str) -> AsyncIterator["World"]:
        """A world on a migrated database. Its commits need not survive a crash of the server: that is not simulated."""
        quick = {"synchronous_commit": "off"}
        async with (
            asyncpg.create_pool(
                url, min_size=2, max_size=6, server_settings=session_settings("approval", "simulation") | quick
            ) as approval,
            asyncpg.create_pool(
                url, min_size=2, max_size=6, server_settings=session_settings("executor", "simulation") | quick
            ) as executor,
        ):
            yield cls(approval, executor)

    async def begin(self) -> None:
        """Forget everything, and start all processes."""
        fail.disarm()
        await self.pools["approval"].execute(audit.EMPTY)
        self.broker = Broker()
        self.ledger = Ledger()
        self.app = workflows(self.ledger)
        self.errors: list[Exception] = []  # that handlers raised, and consumers caught
        self.notified: dict[str, set[str]] = {}  # ids of notifications, by run
        self.opened: set[str] = set()  # approvals that the notifier has heard of
        self.unconfirmed: list[Message] = []  # starts from outside that the broker has lost
        self.zombies: list[Attempt] = []  # passes whose process has forgotten them, but which go on
        self.approvers = [self._approver() for _ in range(2)]
        self.executors = [self._executor(name) for name in ("worker-a", "worker-b")]
        for executor in self.executors:
            await leases.register(executor.deps)

    async def end(self) -> None:
        fail.disarm()
        for attempt in [*self.zombies, *(attempt for executor in self.executors for attempt in executor.passes)]:
            await attempt.kill()

    # --- processes

    async def perform(self, replica: Replica, work: Awaitable[None]) -> None:
        """Have a process do something, and die of it where a failpoint is armed."""
        try:
            await work
        except fail.Crash:
            await self.crash(replica)
        except asyncpg.DeadlockDetectedError:
            self.seen["deadlock"] += 1

    async def crash(self, replica: Replica) -> None:
        """The process loses its memory, and starts again."""
        self.seen["crash"] += 1
        if isinstance(replica, Approver):
            self.approvers[self.approvers.index(replica)] = self._approver()
        else:
            for attempt in replica.passes:
                await attempt.kill()
            self.executors[self.executors.index(replica)] = self._executor(replica.deps.worker)

    def crash_next(self, point: str) -> None:
        """Whoever comes to this point next dies there."""

        def die() -> None:
            fail.disarm()
            self.seen[f"crash {point}"] += 1
            raise fail.Crash

        fail.arm(point, die)

    async def overlap(self, first: Replica, work: Awaitable[None], second: Replica, other: Awaitable[None]) -> None:
        """Do two things so that the first has done everything but commit when the second begins."""
        held = first.outbox.held = Hold()
        one = asyncio.create_task(self.perform(first, work))
        reached = asyncio.create_task(held.reached.wait())
        await asyncio.wait((one, reached), return_when=asyncio.FIRST_COMPLETED)
        two = asyncio.create_task(self.perform(second, other))
        while not two.done() and not await self._somebody_waits_for_a_lock():
            await asyncio.wait((two,), timeout=0.002)
        self.seen["overlap"] += reached.done()
        self.seen["overlap that waited"] += not two.done()
        held.released.set()
        first.outbox.held = None
        reached.cancel()
        for result in await asyncio.gather(one, two, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _somebody_waits_for_a_lock(self) -> bool:
        waits: bool = await self.pools["approval"].fetchval(
            """
            SELECT EXISTS (SELECT FROM pg_stat_activity
                            WHERE datname = current_database() AND wait_event_type = 'Lock')
            """
        )
        return waits

    def _approver(self) -> Approver:
        pool = self.pools["approval"]
        bus = SimulatedBus(self.broker, "approval")
        outbox = HeldOutbox(pool, bus)
        deps = ApprovalDeps(pool=pool, outbox=outbox, signer=self.signer, changed=lambda ids: None)
        consumer = Consumer(
            bus,
            pool,
            {event: self._watched(partial(handle, deps)) for event, handle in approval_consumer.HANDLERS.items()},
        )
        return Approver(bus, outbox, consumer, deps)

    def _executor(self, name: str) -> Executor:
        pool = self.pools["executor"]
        bus = SimulatedBus(self.broker, "executor")
        outbox = HeldOutbox(pool, bus)
        hands = Hands(lambda: self.room)
        deps = ExecutorDeps(
            worker=name,
            app=self.app,
            outbox=outbox,
            verifier=Verifier(public_key(self.signing_key)),
            lease=LEASE,
            backoff=BACKOFF,
            hands=hands,
        )
        consumer = Consumer(
            bus,
            pool,
            {event: self._watched(partial(handle, deps)) for event, handle in executor_consumer.HANDLERS.items()},
        )
        executor = hands.executor = Executor(bus, outbox, consumer, deps)
        return executor

    def _watched(
        self, handle: Callable[[Sequence[CloudEvent[Any]]], Awaitable[None]]
    ) -> Callable[[Sequence[CloudEvent[Any]]], Awaitable[None]]:
        async def watch(events: Sequence[CloudEvent[Any]]) -> None:
            try:
                await handle(events)
            except UNAVAILABLE:
                raise
            except Exception as error:
                self.errors.append(error)
                raise

        return watch

    # --- messages

    def queue(self, which: int, *, but: str | None = None) -> list[Message]:
        """What waits in one of the queues that are not empty, in the order of sending; ``but`` those of that type."""
        queues = sorted({(message.service, message.type) for message in self.broker.waiting if message.type != but})
        if not queues:
            return []
        service, type = queues[which % len(queues)]
        return [message for message in self.broker.waiting if (message.service, message.type) == (service, type)]

    def receiver(self, message: Message, which: int) -> Replica:
        """The replica that takes a message."""
        return (self.executors if message.service == "executor" else self.approvers)[which]

    async def deliver(self, replica: Replica, messages: Sequence[Message], *, again: bool = False) -> None:
        """Hand messages of one queue over in one batch; ``again``: the broker does not learn that they were settled."""
        if not messages:
            return
        bodies = [message.body for message in messages]
        if messages[0].service == "notifier":
            await self._listen(bodies)
        else:
            await replica.bus.receivers[messages[0].type](bodies)
            await replica.consumer.acknowledge()
            if isinstance(replica, Executor):
                self.seen["claimed"] += await replica.begun()
        self.seen[f"delivered {messages[0].type}"] += len(messages)
        if not again:
            for message in messages:
                if message in self.broker.waiting:
                    self.broker.waiting.remove(message)

    async def _listen(self, bodies: Sequence[bytes]) -> None:
        """The notifier, as far as it matters here."""
        for event in (decode(value) for body in bodies for value in parse(body)):
            if isinstance(event.data, NotificationRequested):
                self.notified.setdefault(event.data.run_id, set()).add(str(event.data.notification_id))
            elif isinstance(event.data, ApprovalOpened):
                self.opened.add(str(event.data.approval_id))
            sender = producer(event.source)
            assert sender is not None
            row = row_id(event.id)
            assert row is not None
            self.broker.acks.append((sender, Acks("notifier", [row])))

    async def deliver_acks(self, *, lose: bool = False) -> None:
        """Tell producers what has been committed; or lose that."""
        acks, self.broker.acks = self.broker.acks, []
        if lose:
            return
        for service, replicas in (("approval", self.approvers), ("executor", self.executors)):
            bus = replicas[0].bus
            assert bus.receive_acks is not None
            await bus.receive_acks([ack for to, ack in acks if to == service])

    def lose(self, messages: Sequence[Message]) -> None:
        """The broker loses some messages, and does not notice; those who have no confirm will send theirs again."""
        for message in messages:
            if message in self.broker.waiting:
                self.broker.waiting.remove(message)
                if message.type == WorkflowStart.type and producer(parse(message.body)[0]["source"]) is None:
                    self.unconfirmed.append(message)

    async def wipe(self) -> None:
        """The broker loses everything, and its clients find out."""
        self.seen["wipe"] += 1
        self.lose(list(self.broker.waiting))
        self.broker.acks.clear()
        for replica in (self.approvers[0], self.executors[0]):
            await replica.outbox.send_all_again()

    async def flush(self) -> None:
        """What the relays do by themselves, at once."""
        replicas: list[Replica] = [*self.approvers, *self.executors]
        for replica in replicas:
            await replica.outbox.flush()

    async def deliver_all(self, order: random.Random, *, but: str | None = None) -> None:
        """Deliver until nothing waits, ``but`` events of that type, in batches of any size and in any order."""
        while True:
            await self.flush()
            if not (queue := self.queue(order.randrange(100), but=but)):
                return
            order.shuffle(queue)
            batch = queue[: order.randint(1, len(queue))]
            replica = self.receiver(batch[0], order.randrange(2))
            await self.perform(replica, self.deliver(replica, batch))

    async def deliver_again(self, messages: Sequence[Message], order: random.Random) -> None:
        """Deliver what was delivered before, shuffled, in batches of any size."""
        shuffled = list(messages)
        order.shuffle(shuffled)
        while shuffled:
            some = shuffled[: order.randint(1, 12)]
            del shuffled[: len(some)]
            for queue in sorted({(message.service, message.type) for message in some}):
                batch = [message for message in some if (message.service, message.type) == queue]
                replica = self.receiver(batch[0], order.randrange(2))
                await self.perform(replica, self.deliver(replica, batch, again=True))

    # --- passes

    async def claim(self, executor: Executor, limit: int) -> None:
        executor.deps.hands.execute(await passes.claim(executor.deps, limit))
        self.seen["claimed"] += await executor.begun()

    async def go_on(self, attempts: Sequence[Attempt], *, alone: bool = True) -> None:
        """Let passes of one executor write what they stand at, in one batch of each kind, and run to their next write.

        ``alone``: nobody else writes at the same time; then it is certain which of them may still write.
        """
        standing = [(attempt, attempt.asked) for attempt in attempts if attempt.asked is not None]
        if not standing:
            return
        executor = standing[0][0].executor
        live = await self.live([attempt.run.id for attempt, _ in standing])
        for kind, write in (
            ("step", passes.record_steps),
            ("notify", passes.record_notifications),
            ("end", passes.end_passes),
        ):
            writing = [(attempt, what) for attempt, (asked, what) in standing if asked == kind]
            if not writing:
                continue
            results: Sequence[Exception | datetime | None] = await write(executor.deps, [what for _, what in writing])
            for (attempt, _), result in zip(writing, results, strict=True):
                stale = attempt.held not in live
                self.seen["stale write"] += stale
                assert not alone or kind == "notify" or stale == isinstance(result, LeaseLost), (
                    f"I8: {kind} of pass {attempt.held}, {'stale' if stale else 'live'}, was told {result!r}"
                )
                attempt.answer(result)
            for attempt, _ in writing:
                await attempt.stands()
        executor.passes[:] = [attempt for attempt in executor.passes if not attempt.over]

    async def live(self, run_ids: Sequence[str]) -> set[tuple[str, int]]:
        """The (run, fence) of those of these runs that are held."""
        rows = await self.pools["executor"].fetch(
            "SELECT id, fence FROM runs WHERE id = ANY ($1::text[]) AND status = 'running'", run_ids
        )
        return {(row["id"], row["fence"]) for row in rows}

    async def work(self, executor: Executor) -> None:
        """Execute whatever is due until nothing is."""
        while True:
            await self.claim(executor, 100)
            if not executor.passes:
                return
            while executor.passes:
                await self.go_on(executor.passes)

    # --- rest

    async def sweep(self, replica: Replica) -> None:
        """Send again what is due."""
        try:
            await replica.outbox.sweep()
        except BusUnavailable:
            self.seen["broker away"] += 1

    async def heal(self, order: random.Random) -> None:
        """End all faults; then every clock, loop and queue has its turn until nothing is left to do."""
        fail.disarm()
        self.broker.away = False
        for executor in self.executors:
            self.zombies += executor.passes
            executor.passes = []
        await self.deliver_acks()
        for message in self.unconfirmed:  # whoever sent it has no confirm, and sends it again
            self.broker.send(message.type, message.body)
        self.unconfirmed = []
        for _ in range(30):
            await self.pass_time(3600, decisions_too=False)
            for executor in self.executors:
                await leases.register(executor.deps)
            await leases.reconcile(self.executors[0].deps)
            await decisions.expire(self.approvers[0].deps)
            for replica in (self.approvers[0], self.executors[0]):
                await self.sweep(replica)
            await self.deliver_all(order)
            await self.deliver_acks()
            for executor in self.executors:
                await self.work(executor)
            if await self._rests():
                return
        raise AssertionError(f"I7: does not come to rest: {await self._unrest()}")

    async def let_zombies_go_on(self) -> None:
        """Passes that have stalled until now go on, and may not write anything."""
        for attempt in self.zombies:
            while not attempt.over:
                await self.go_on([attempt])
        self.zombies = []

    async def _rests(self) -> bool:
        await self.flush()
        return not self.broker.waiting and not self.broker.acks and not await self._unrest()

    async def _unrest(self) -> list[str]:
        rows = await self.pools["executor"].fetch(
            """
            SELECT id || ' is ' || status AS what FROM executor.runs
             WHERE status = 'running' OR (status = 'ready' AND NOT parked)
            UNION ALL SELECT type FROM executor.outbox
            UNION ALL SELECT type FROM approval.outbox
            """
        )
        return [row["what"] for row in rows]

    # --- time

    async def pass_time(self, seconds: float, *, decisions_too: bool = True) -> None:
        """All deadlines come closer; ``decisions_too``: those of approvals as well."""
        closer = f"interval '{seconds} seconds'"
        await self.pools["executor"].execute(
            f"""
            UPDATE executor.runs SET due_at = due_at - {closer}, lease_until = lease_until - {closer}
             WHERE ended_at IS NULL;
            UPDATE executor.workers SET seen_at = seen_at - {closer};
            UPDATE executor.outbox SET next_send_at = next_send_at - {closer};
            UPDATE approval.outbox SET next_send_at = next_send_at - {closer};
            """
        )
        if decisions_too:
            # Those of approvals that are resolved, too: time passes for them as well, though their guard forbids it.
            await self.pools["approval"].execute(
                f"""
                SET LOCAL session_replication_role = replica;
                UPDATE approvals SET expires_at = expires_at - {closer}
                """
            )
