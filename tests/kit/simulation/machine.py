"""All that can happen to a deployment, as rules for Hypothesis to choose from."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kit.simulation.broker import Message
from kit.simulation.invariants import Invariants, Started
from kit.simulation.processes import Replica
from kit.simulation.workflows import EXPIRES_IN, NAMES, UNSERVED
from kit.simulation.world import LEASE, World
from placet_approval.domain import (
    AlreadyEnded,
    AlreadyResolved,
    Approval,
    Caller,
    ContentChanged,
    Decision,
    KeyReused,
    NotAllowed,
    NotFound,
    Run,
    RunContradicted,
    Start,
)
from placet_approval.handlers import decisions as deciding
from placet_approval.handlers import runs as running
from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.events import ApprovalResolved, WorkflowStart
from placet_contracts.topology import source
from placet_executor.handlers import leases
from placet_runtime.receipts import Resolved, Signer, generate_key

T = TypeVar("T")

which = st.integers(0, 1)  # of the two replicas
some = st.integers(0, 7)
positions = st.lists(st.integers(0, 15), min_size=1, max_size=6)
seeds = st.integers(0, 2**16)
run_ids = st.sampled_from([f"run-{n}" for n in range(8)])
names = st.sampled_from((*NAMES, *NAMES, UNSERVED))
inputs = st.sampled_from((1, 1, 1, 2))
versions = st.sampled_from((None, None, None, None, None, 1, 1, 9))
asks = st.tuples(run_ids, names, versions, inputs)
late = st.sampled_from((None, *[f"{type}.v1" for type in ("approval.requested", "run.changed", "approval.resolved")]))
endings = st.sampled_from(("approve", "approve", "reject", "reject", "cancel", "expire"))
verdicts = st.sampled_from(("approve", "approve", "approve", "reject"))
actors = st.sampled_from(("key:ana", "key:bo", "key:cy"))
digests = st.sampled_from(("none", "none", "right", "wrong"))
votes = st.lists(st.tuples(some, verdicts, actors, digests), min_size=1, max_size=4)
operations = st.tuples(
    st.sampled_from(("deliver", "deliver", "deliver", "decide", "cancel", "expire", "reconcile", "go on", "claim")),
    some,
    seeds,
)


class Machine(RuleBasedStateMachine):
    """A deployment, to which everything happens but the death of its Postgres. Its class has a runner and a world."""

    runner: asyncio.Runner
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.others = 0
        self.do(self.world.begin())
        self.must = Invariants(self.world.pools["executor"], self.world.ledger)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self.runner.run(work)
        except BaseException:
            self.broken = True
            raise

    # --- starts

    @initialize(
        asked=st.lists(asks, min_size=2, max_size=5),
        decided=st.lists(st.sampled_from((None, "approve", "approve", "reject")), max_size=4),
        seed=seeds,
        room=st.integers(0, 3),
    )
    def begin(
        self, asked: list[tuple[str, str, int | None, int]], decided: list[str | None], seed: int, room: int
    ) -> None:
        """Some runs are on their way, and some of what they ask for is decided. Executors have few slots, or none."""
        self.world.room = room
        self.start(asked, 0, None)
        if decided:
            votes = [(n, verdict, "key:ana", "right") for n, verdict in enumerate(decided) if verdict is not None]
            self.do(self._calm(random.Random(seed)))
            self.do(self._decide(votes, 0, alone=True))

    @rule(asked=st.lists(asks, min_size=1, max_size=3), at=which, key=st.sampled_from((None, None, "k1", "k2")))
    def start(self, asked: list[tuple[str, str, int | None, int]], at: int, key: str | None) -> None:
        """Over the API. Ids, inputs and keys come again, rightly and wrongly."""
        approver = self.world.approvers[at]
        starts = [
            Start(run_id, name, version, str(input), "key:ana", key if n == 0 else None)
            for n, (run_id, name, version, input) in enumerate(asked)
        ]

        async def start() -> None:
            for asked, answer in zip(starts, await running.start(approver.deps, starts), strict=True):
                if isinstance(answer, Run):
                    assert asked.idempotency_key or answer.id == asked.run_id
                    self.must.started.append(Started(answer.id, None, asked.workflow, int(asked.input)))
                    self.world.seen["start over the API"] += 1
                else:
                    assert isinstance(answer, RunContradicted | KeyReused)
                    self.world.seen["start refused by the API"] += 1

        self.do(self.world.perform(approver, start()))

    @rule(asked=asks, with_id=st.booleans(), event=st.integers(0, 9))
    def publish(self, asked: tuple[str, str, int | None, int], with_id: bool, event: int) -> None:
        """By a message from outside. Event ids come again, rightly and wrongly."""
        run_id, name, version, input = asked
        data = WorkflowStart(
            workflow=name, version=version, run_id=run_id if with_id else None, input=input, requested_by="shop"
        )
        self.world.broker.send(data.type, encode(CloudEvent(f"event-{event}", "shop", data)))
        self.must.started.append(Started(data.run_id, f"event-{event}", name, input))

    # --- messages

    @rule(
        queue=some,
        at=which,
        positions=positions,
        then=st.sampled_from(("settled", "again", "lost")),
        crash=st.sampled_from((None, None, "outbox.before_commit", "outbox.after_commit")),
    )
    def deliver(self, queue: int, at: int, positions: list[int], then: str, crash: str | None) -> None:
        """Some messages of one queue in one batch. Then they are settled, if the receiver lives; or they come again;
        or the broker loses them, whatever became of the receiver."""
        if crash:
            self.world.crash_next(crash)
        self.do(self._deliver(queue, at, positions, then))

    @rule(seed=seeds, late=late)
    def deliver_all(self, seed: int, late: str | None) -> None:
        """Everything, in any order; perhaps one type of events takes longer."""
        self.do(self.world.deliver_all(random.Random(seed), but=late))

    @rule(seed=seeds)
    def replay(self, seed: int) -> None:
        """Everything that was ever sent comes again."""
        self.do(self.world.deliver_again(self.world.broker.sent, random.Random(seed)))

    # --- passes

    @rule(at=which, limit=st.integers(1, 4), positions=positions)
    def go_on(self, at: int, limit: int, positions: list[int]) -> None:
        """An executor takes what is due; some of its passes write what they stand at, the others stall."""

        async def go_on() -> None:
            await self.world.claim(executor, limit)
            await self.world.go_on(pick(executor.passes, positions))

        executor = self.world.executors[at]
        self.do(self.world.perform(executor, go_on()))

    @rule(at=which)
    def work(self, at: int) -> None:
        """An executor executes all that is due."""
        executor = self.world.executors[at]
        self.do(self.world.perform(executor, self.world.work(executor)))

    @rule(at=which, what=st.sampled_from(("renew", "announce", "release")), positions=positions)
    def keep(self, at: int, what: str, positions: list[int]) -> None:
        """An executor prolongs leases, tells of lasting passes, or gives some back, stale ones too."""
        executor = self.world.executors[at]
        held = [attempt.held for attempt in pick(executor.passes, positions)]
        work = {"renew": leases.renew, "announce": leases.announce, "release": leases.release}[what]
        self.do(self.world.perform(executor, work(executor.deps, held)))

    @rule(name=names, at=which, again=which, writes=st.integers(0, 4), seed=seeds)
    def stall(self, name: str, at: int, again: int, writes: int, seed: int) -> None:
        """Passes stall and are taken away; they are executed again, by the same executor or another one; then the old
        ones go on as if nothing had happened, beside the new ones."""
        executor, other = self.world.executors[at], self.world.executors[again]

        async def stall() -> None:
            await self.world.deliver_all(random.Random(seed))
            await self.world.claim(executor, 3)
            await self.world.pass_time(LEASE.total_seconds() + 1)
            await leases.register(other.deps)
            await leases.reconcile(other.deps)
            await self.world.claim(other, 3)
            for _ in range(writes):
                await self.world.go_on(executor.passes)

        self._start_another(name, at)
        self.do(self.world.perform(executor, stall()))

    # --- people and the clock

    @rule(votes=votes, at=which, calm=st.sampled_from((True, True, False)), seed=seeds)
    def decide(self, votes: list[tuple[int, str, str, str]], at: int, calm: bool, seed: int) -> None:
        """People decide, at the same time: rightly, again, against each other, on what is not there."""
        if calm:
            self.do(self._calm(random.Random(seed)))
        self.do(self.world.perform(self.world.approvers[at], self._decide(votes, at, alone=True)))

    @rule(run_id=run_ids, at=which)
    def cancel(self, run_id: str, at: int) -> None:
        """Somebody cancels a run."""
        self.do(self.world.perform(self.world.approvers[at], self._cancel(run_id, at, alone=True)))

    @rule(name=names, at=which, late=late, seed=seeds)
    def cancel_at_once(self, name: str, at: int, late: str | None, seed: int) -> None:
        """Somebody cancels a run while what it has told and asked for is still on its way."""
        run_id = self._start_another(name, at)
        self.do(self.world.deliver_all(random.Random(seed), but=late))
        self.work(at)
        self.do(self.world.deliver_all(random.Random(seed), but=late))
        self.do(self.world.perform(self.world.approvers[at], self._cancel(run_id, at, alone=True)))
        self.do(self.world.deliver_all(random.Random(seed), but=late))

    @rule(pair=st.tuples(endings, endings), position=some, seed=seeds)
    def race(self, pair: tuple[str, str], position: int, seed: int) -> None:
        """An approval is ended in two ways at once."""
        self.do(self._calm(random.Random(seed)))
        if "expire" in pair:
            self.do(self.world.pass_time(EXPIRES_IN + 1))
        self.do(self._race(pair, position))

    @rule(seconds=st.sampled_from((1, 11, EXPIRES_IN + 1, EXPIRES_IN + 1, 700)), expire=st.booleans(), at=which)
    def pass_time(self, seconds: float, expire: bool, at: int) -> None:
        """Time passes, and perhaps it is seen which deadlines have passed with it."""
        self.do(self.world.pass_time(seconds))
        if expire:
            self.do(self.world.perform(self.world.approvers[at], deciding.expire(self.world.approvers[at].deps)))

    @rule(position=some, how=st.sampled_from(("stranger", "altered", "digest", "unknown")))
    def forge(self, position: int, how: str) -> None:
        """A message says that something was approved which was not."""
        self.do(self._forge(position, how))

    # --- all that goes on beside, and what goes wrong

    @rule(what=st.sampled_from(("acknowledge", "lose acks", "relay", "sweep", "register", "reconcile")), at=which)
    def keep_house(self, what: str, at: int) -> None:
        """What the services do by themselves every now and then."""
        executor = self.world.executors[at]
        if what == "relay":
            self.do(self.world.flush())
        elif what == "sweep":
            self.do(self._sweep(at))
        elif what == "register":
            self.do(self.world.perform(executor, leases.register(executor.deps)))
        elif what == "reconcile":
            self.do(self.world.perform(executor, leases.reconcile(executor.deps)))
        else:
            self.do(self.world.deliver_acks(lose=what == "lose acks"))

    @rule(
        what=st.sampled_from(
            ("outbox.before_commit", "outbox.after_commit", "kill approver", "kill executor", "wipe", "away", "back")
        ),
        at=which,
    )
    def fail(self, what: str, at: int) -> None:
        """Whoever commits next dies, before or after; a process dies; the broker loses all, or is away for a while."""
        if what == "wipe":
            self.do(self.world.wipe())
        elif what in ("away", "back"):
            self.world.broker.away = what == "away"
        elif what.startswith("kill"):
            self.do(self.world.crash((self.world.executors if what == "kill executor" else self.world.approvers)[at]))
        else:
            self.world.crash_next(what)

    @rule(first=operations, second=operations, calm=st.booleans())
    def overlap(self, first: tuple[str, int, int], second: tuple[str, int, int], calm: bool) -> None:
        """One thing begins when another has done everything but commit."""
        if calm:
            self.do(self._calm(random.Random(first[2])))
        self.do(self._overlap(first, second))

    @rule(seed=seeds)
    def calm(self, seed: int) -> None:
        """Nothing goes wrong for a while."""
        self.do(self._calm(random.Random(seed)))

    # --- checks

    @invariant()
    def holds(self) -> None:
        """What must hold at any time."""
        assert not self.world.errors, f"a handler raised {self.world.errors}"
        self.do(self.must.check())

    def teardown(self) -> None:
        """Heal everything, and see what must hold at rest, and that old messages and old passes change nothing."""
        try:
            if not self.broken and not self.world.errors:
                self.do(self._rest())
        finally:
            self.runner.run(self.world.end())

    async def _rest(self) -> None:
        world, order = self.world, random.Random(0)
        await world.heal(order)
        await self.must.check()
        await self.must.check_rest(world.notified, world.opened)
        for run in self.must.runs.values():
            world.seen[f"rest {run.status}"] += 1
        world.seen["entered"] += len(world.ledger.entries)
        before = await self.must.snapshot()
        await world.deliver_again(world.broker.sent * 2, order)
        await world.let_zombies_go_on()
        assert not world.errors, f"a handler raised {world.errors}"
        await world.heal(order)
        await self.must.check()
        after = await self.must.snapshot()
        assert before == after, f"I11: {before - after}\nis now {after - before}"

    # --- how

    def _start_another(self, name: str, at: int) -> str:
        """Start a run that has not been there before."""
        self.others += 1
        self.start([(f"other-{self.others}", name, None, 1)], at, None)
        return f"other-{self.others}"

    async def _deliver(self, queue: int, at: int, positions: Sequence[int], then: str) -> None:
        messages = pick(self.world.queue(queue), positions)
        if messages:
            replica = self.world.receiver(messages[0], at)
            await self.world.perform(replica, self.world.deliver(replica, messages, again=then == "again"))
            if then == "lost":
                self.world.lose(messages)

    async def _sweep(self, at: int) -> None:
        for replica in (self.world.approvers[at], self.world.executors[at]):
            await self.world.sweep(replica)

    async def _calm(self, order: random.Random) -> None:
        world = self.world
        world.broker.away = False
        for _ in range(2):
            await world.deliver_all(order)
            for at in (0, 1):
                await world.perform(world.executors[at], world.work(world.executors[at]))
        await world.deliver_all(order)

    async def _approvals(self) -> list[dict[str, Any]]:
        rows = await self.world.pools["approval"].fetch(
            """
            SELECT id, run_id, gate, digest, status, requested_by, resolved_by,
                   coalesce(expires_at <= now(), false) AS overdue
              FROM approvals ORDER BY status <> 'pending', run_id, gate
            """
        )
        return [dict(row) for row in rows]

    async def _decide(self, votes: Sequence[tuple[int, str, str, str]], at: int, *, alone: bool) -> None:
        before = await self._approvals()
        decisions = []
        for position, verdict, actor, digest in votes:
            row = before[position % len(before)] if before and position != 7 else None
            id = uuid4() if row is None else row["id"]
            carried = {"none": None, "right": "" if row is None else row["digest"], "wrong": "sha256:00"}[digest]
            decisions.append(Decision(id, verdict, actor, "api", None, carried))  # type: ignore[arg-type]
        answers = await deciding.decide(self.world.approvers[at].deps, decisions)
        after = {row["id"]: row for row in await self._approvals()}
        for decision, answer in zip(decisions, answers, strict=True):
            self._check_answer(decision, answer, after.get(decision.approval_id))
        if alone:
            for row in before:
                fitting = [
                    d
                    for d in decisions
                    if d.approval_id == row["id"]
                    and d.digest in (None, row["digest"])
                    and d.actor != row["requested_by"]
                ]
                if row["status"] == "pending" and not row["overdue"] and fitting:
                    winner = (fitting[0].outcome, fitting[0].actor)
                    now = (after[row["id"]]["status"], after[row["id"]]["resolved_by"])
                    assert now == winner, f"I4: {decisions} on {row} led to {now}, answered {answers}"
                    self.world.seen[f"decided {winner[0]}"] += 1

    def _check_answer(self, decision: Decision, answer: object, row: dict[str, Any] | None) -> None:
        self.world.seen[f"decision told {type(answer).__name__}"] += 1
        if isinstance(answer, NotFound):
            assert row is None, f"I4: {decision} told {answer}, but {row}"
            return
        assert row is not None, f"I4: {decision} told {answer}, but there is none"
        if isinstance(answer, NotAllowed):
            assert row["requested_by"] == decision.actor, f"{decision} told {answer}, but {row}"
            return
        if isinstance(answer, ContentChanged):
            assert decision.digest not in (None, row["digest"]), f"I4: {decision} told {answer}, but {row}"
        elif isinstance(answer, AlreadyResolved):
            self.must.tell(str(decision.approval_id), answer.status, answer.resolved_by)
            assert (row["status"], row["resolved_by"]) == (answer.status, answer.resolved_by), f"I4: {answer} {row}"
        else:
            assert isinstance(answer, Approval)
            assert (answer.status, answer.resolved_by) == (decision.outcome, decision.actor), f"I4: {decision} {answer}"
            self.must.tell(str(decision.approval_id), answer.status, answer.resolved_by)

    async def _cancel(self, run_id: str, at: int, *, alone: bool) -> None:
        try:
            run = await running.cancel(self.world.approvers[at].deps, run_id, Caller("key:cy", frozenset({"admin"})))
        except (NotFound, AlreadyEnded):
            return
        self.world.seen["cancelled"] += 1
        if alone:
            pending = [row for row in await self._approvals() if row["run_id"] == run.id and row["status"] == "pending"]
            assert not pending, f"{run_id} is cancelled, and still asks for {pending}"

    async def _forge(self, position: int, how: str) -> None:
        gates = await self.world.pools["executor"].fetch(
            "SELECT run_id, gate, approval_id, digest FROM gates WHERE outcome IS NULL ORDER BY run_id, gate"
        )
        if not gates:
            return
        gate = gates[position % len(gates)]
        said = Resolved(
            approval_id=uuid4() if how == "unknown" else gate["approval_id"],
            run_id=gate["run_id"],
            gate=gate["gate"],
            outcome="approved",
            digest="sha256:00" if how == "digest" else gate["digest"],
            resolved_by="key:eve",
        )
        signed = said.model_copy(update={"outcome": "rejected"}) if how == "altered" else said
        signer = Signer(generate_key()) if how == "stranger" else self.world.signer
        [receipt] = signer.sign([signed])
        event = ApprovalResolved(
            **said.model_dump(), resolved_at="2026-01-01T00:00:00Z", channel="api", receipt=receipt
        )
        body = encode(CloudEvent(str(uuid4()), source("approval"), event))
        executor = self.world.executors[position % 2]
        await self.world.perform(executor, self.world.deliver(executor, [Message("executor", event.type, body)]))
        self.world.seen["forged"] += 1

    async def _overlap(self, *asked: tuple[str, int, int]) -> None:
        asking = await self._approvals()
        operations = [self._operation(*operation, at, asking) for at, operation in enumerate(asked)]
        if None not in operations:
            (one, work), (two, other) = (operation for operation in operations if operation is not None)
            await self.world.overlap(one, work(), two, other())

    async def _race(self, pair: tuple[str, str], position: int) -> None:
        pending = [n for n, row in enumerate(await self._approvals()) if row["status"] == "pending"]
        if not pending:
            return
        place = pending[position % len(pending)]
        run_id = (await self._approvals())[place]["run_id"]

        def end(how: str, at: int) -> Awaitable[None]:
            if how == "cancel":
                return self._cancel(run_id, at, alone=False)
            if how == "expire":
                return deciding.expire(self.world.approvers[at].deps)
            return self._decide([(place, how, f"key:{at}", "none")], at, alone=False)

        first, second = self.world.approvers
        await self.world.overlap(first, end(pair[0], 0), second, end(pair[1], 1))
        self.world.seen["race"] += 1

    def _operation(
        self, kind: str, number: int, seed: int, at: int, asking: Sequence[dict[str, Any]]
    ) -> tuple[Replica, Callable[[], Awaitable[None]]] | None:
        """Something that a replica can do now, on what is likely to be somebody else's business too."""
        approver, executor, order = self.world.approvers[at], self.world.executors[at], random.Random(seed)
        if kind == "deliver":
            if not (queue := self.world.queue(number)):
                return None
            batch = order.sample(queue, order.randint(1, min(3, len(queue))))
            replica = self.world.receiver(batch[0], at)
            return replica, lambda: self.world.deliver(replica, batch)
        if kind == "decide":
            votes = [
                (order.randrange(2), order.choice(("approve", "reject")), order.choice(("key:ana", "key:bo")), "none")
                for _ in range(2)
            ]
            return approver, lambda: self._decide(votes, at, alone=False)
        if kind == "cancel":
            run_id = asking[number % min(2, len(asking))]["run_id"] if asking else f"run-{number}"
            return approver, lambda: self._cancel(run_id, at, alone=False)
        if kind == "expire":
            return approver, lambda: deciding.expire(approver.deps)
        if kind == "reconcile":
            return executor, lambda: leases.reconcile(executor.deps)
        if kind == "claim":
            return executor, lambda: self.world.claim(executor, 3)
        return executor, lambda: self.world.go_on(executor.passes[: number + 1], alone=False)


def pick(items: Sequence[T], positions: Sequence[int]) -> list[T]:
    """The items at these positions, each once, in this order."""
    return [items[n] for n in dict.fromkeys(position % len(items) for position in positions)] if items else []
