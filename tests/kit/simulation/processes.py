"""The processes of a simulated deployment: replicas of services, and passes that stand still at each write."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from kit.simulation.broker import SimulatedBus
from placet.execution import Completed, Json, Paused, Snapshot, run_pass
from placet_approval.deps import Deps as ApprovalDeps
from placet_contracts.destinations import Destination
from placet_contracts.events import ApprovalRequested, StepDone
from placet_executor.deps import Deps as ExecutorDeps
from placet_executor.domain import Claimed, Ending, LeaseLost, Recorded, after_failure
from placet_executor.handlers import passes
from placet_runtime.consumer import Consumer
from placet_runtime.outbox import Emit, Outbox
from placet_runtime.postgres import Connection


class HeldOutbox(Outbox):
    """An outbox whose next transaction can be held before it commits, for another one to overlap with it."""

    held: "Hold | None" = None

    @asynccontextmanager
    async def transaction(self, of: str = "") -> AsyncIterator[tuple[Connection, Emit]]:
        held, self.held = self.held, None
        async with super().transaction(of) as (conn, emit):
            yield conn, emit
            if held is not None:
                held.reached.set()
                await held.released.wait()


@dataclass(slots=True)
class Hold:
    """A transaction that has done everything but commit."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Approver:
    """One replica of the approval service."""

    bus: SimulatedBus
    outbox: HeldOutbox
    consumer: Consumer
    deps: ApprovalDeps


@dataclass(slots=True)
class Executor:
    """One replica of the executor, with the passes that it executes."""

    bus: SimulatedBus
    outbox: HeldOutbox
    consumer: Consumer
    deps: ExecutorDeps
    passes: list["Attempt"] = field(default_factory=list)

    async def begun(self) -> int:
        """Wait until new passes stand still; how many those are."""
        new = [attempt for attempt in self.passes if not attempt.begun]
        for attempt in new:
            attempt.begun = True
            await attempt.stands()
        return len(new)


class Hands:
    """Takes as many runs at once as the test says, and begins with them."""

    executor: Executor

    def __init__(self, free: Callable[[], int]) -> None:
        self._free = free

    @contextmanager
    def room(self, wanted: int) -> Iterator[int]:
        yield min(wanted, self._free())

    def execute(self, claimed: Sequence[Claimed]) -> None:
        self.executor.passes += [Attempt(self.executor, run) for run in claimed]

    def wake(self) -> None:
        """The test itself says when to look."""

    def abandon(self, run_ids: Sequence[str]) -> None:
        """A handler need not notice."""


Replica: TypeAlias = Approver | Executor
Asked: TypeAlias = tuple[Literal["step", "notify", "end"], Any]


class Attempt:
    """A pass under way. It stands still at each of its writes until the test lets it go on."""

    def __init__(self, executor: Executor, run: Claimed) -> None:
        self.run = run
        self.executor = executor
        self.asked: Asked | None = None
        self.begun = False
        self.done: list[StepDone] = []
        self._answer: asyncio.Future[datetime | None] | None = None
        self._stands = asyncio.Event()
        self._task = asyncio.create_task(self._drive(), name=f"pass {run.fence} of {run.id}")
        self._task.add_done_callback(lambda _: self._stands.set())

    @property
    def held(self) -> tuple[str, int]:
        return self.run.id, self.run.fence

    @property
    def over(self) -> bool:
        return self._task.done()

    async def stands(self) -> None:
        """Wait until it stands still, or is over; raises what it raised, except that its lease is lost."""
        await self._stands.wait()
        error = self._task.exception() if self._task.done() and not self._task.cancelled() else None
        if error is not None and not isinstance(error, LeaseLost):
            raise error

    def answer(self, result: Exception | datetime | None) -> None:
        assert self._answer is not None
        self.asked = None
        self._stands.clear()
        if isinstance(result, Exception):
            self._answer.set_exception(result)
        else:
            self._answer.set_result(result)

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def record_step(self, name: str, result: Json, took: timedelta) -> None:
        recorded = Recorded(*self.held, name, result, self.run.failures + 1, took)
        stored = await self._ask("step", recorded)
        assert stored is not None
        self.done.append(recorded.done(stored))

    async def record_notification(self, key: str, message: str, destination: Destination) -> None:
        await self._ask("notify", (*self.held, key, self.run.workflow, message, destination))

    async def _ask(self, kind: Literal["step", "notify", "end"], what: Any) -> datetime | None:
        self._answer = asyncio.get_running_loop().create_future()
        self.asked = (kind, what)
        self._stands.set()
        return await self._answer

    async def _drive(self) -> None:
        run, deps = self.run, self.executor.deps
        workflow = deps.app.workflows[run.workflow, run.version]
        snapshot = Snapshot(run.id, run.input, run.failures + 1, run.steps, run.approvals)
        result = await run_pass(workflow, snapshot, self)
        request: ApprovalRequested | None = None
        if isinstance(result, Completed):
            ending = Ending(run.id, run.fence, "completed", output=result.output)
        elif isinstance(result, Paused):
            ending, request = passes.pause(run, result)
        else:
            ending = after_failure(
                run.id,
                run.fence,
                result.error,
                retryable=result.retryable,
                failures=run.failures,
                retries=workflow.retries,
                backoff=deps.backoff,
            )
        await self._ask("end", (replace(ending, steps=self.done), request))
