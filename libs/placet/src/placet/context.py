"""What a handler is given: the run as it stands, steps, approvals and notifications."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cached_property, partial
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

import structlog
import typing_extensions
from structlog.typing import FilteringBoundLogger

from placet.errors import ApprovalRefused
from placet.interrupts import UNNAMED, Interrupt, Options
from placet.journal import Approval
from placet.passes import Pass, call_site, notification
from placet.threads import in_thread
from placet_contracts.destinations import Destination

Input = typing_extensions.TypeVar("Input", default=Any)
P = ParamSpec("P")
T = TypeVar("T")


class Facts(Generic[Input]):
    """What both kinds of context tell of their run."""

    def __init__(self, workflow: str, version: int, input: Input, of: Pass) -> None:
        self._pass = of
        self.run_id = of.snapshot.run_id
        self.workflow = workflow
        self.version = version
        self.attempt = of.snapshot.attempt
        """Counts from 1. A pass that failed counts, a pause does not."""
        self.input = input

    @property
    def approved(self) -> bool:
        """Whether the unnamed gate was approved. False while nobody has decided, and after any other outcome."""
        approval = self.approval()
        return approval is not None and approval.approved

    def approval(self, gate: str = UNNAMED) -> Approval | None:
        """How a gate was resolved; ``None`` if it is not."""
        return self._pass.snapshot.approvals.get(gate)

    @property
    def idempotency_key(self) -> str:
        """A key for others' APIs that is the same in all passes of this run. For an effect that it has once."""
        return f"placet:{self.run_id}"

    def idempotency_key_for(self, effect: str) -> str:
        """The same, where a run has several effects."""
        return f"{self.idempotency_key}:{effect}"

    @cached_property
    def log(self) -> FilteringBoundLogger:
        """A structlog logger that says which run speaks."""
        return cast(
            "FilteringBoundLogger",
            structlog.get_logger().bind(
                run_id=self.run_id, workflow=self.workflow, version=self.version, attempt=self.attempt
            ),
        )

    def _required(self, gate: str, options: Options) -> Approval:
        approval = self.approval(gate)
        if approval is None:
            raise Interrupt(gate, **options)
        if not approval.approved:
            raise ApprovalRefused(gate, approval.outcome, approval.resolved_by, approval.comment)
        return approval


class Context(Facts[Input]):
    """What an async handler is given."""

    @overload
    async def step(self, name: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function once per run. Its result is stored, and every later pass gets it without a call.

        The result is what its JSON reads back as, by the function's return annotation, in the first pass too.
        A sync function runs in a thread. What it raises is not stored: the next attempt calls it again.

        Raises:
            DuplicateStep, StepNameInvalid, StepResultInvalid, InterruptInStep: as they say; a retry is no help.
        """
        step = self._pass.step(name, fn)
        if step.done:
            return step.replay()
        with step.running():
            call = partial(fn, *args, **kwargs)
            result = call() if inspect.iscoroutinefunction(fn) else await in_thread(call)
            if inspect.isawaitable(result):
                result = await result
        return await step.keep(result)

    async def require_approval(self, gate: str = UNNAMED, **options: Unpack[Options]) -> Approval:
        """Go on only if a gate was approved; pause at it while it is not resolved. Options: see `Interrupt.approval`.

        Raises:
            Interrupt: the gate is not resolved.
            ApprovalRefused: it was rejected or has expired, and ``on_reject="resume"``.
        """
        return self._required(gate, options)

    def notify(self, *, message: str, destination: Destination | Sequence[Destination]) -> Coroutine[Any, Any, None]:
        """Tell somebody, without pausing. Once per place in the code and content, however often the handler runs."""
        # No coroutine function: its frame would be called by the event loop, where it is put into a task.
        return self._notify(call_site(sys._getframe(1)), *notification(message, destination))

    async def _notify(self, site: str, message: str, destinations: Sequence[Destination]) -> None:
        for destination in destinations:
            await self._pass.notify(site, message, destination)


class SyncContext(Facts[Input]):
    """What a sync handler is given: it runs in a thread of its own, and these calls block it.

    A thread cannot be stopped. When a pass times out, or its lease is lost, it ends at its next use of the context.
    """

    def __init__(self, workflow: str, version: int, input: Input, of: Pass, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(workflow, version, input, of)
        self._loop = loop

    @overload
    def step(self, name: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """See `Context.step`. A sync function runs in the handler's own thread, an async one in the event loop."""
        step = self._pass.step(name, fn)
        if step.done:
            return step.replay()
        with step.running():
            result = fn(*args, **kwargs)
            if inspect.isawaitable(result):
                result = self._wait(_awaiting(result))
        return self._wait(step.keep(result))

    def require_approval(self, gate: str = UNNAMED, **options: Unpack[Options]) -> Approval:
        """See `Context.require_approval`."""
        return self._required(gate, options)

    def notify(self, *, message: str, destination: Destination | Sequence[Destination]) -> None:
        """See `Context.notify`."""
        site = call_site(sys._getframe(1))
        message, destinations = notification(message, destination)
        for each in destinations:
            self._wait(self._pass.notify(site, message, each))

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        if _in_event_loop():
            call.close()
            raise RuntimeError("a SyncContext is for the handler's own thread: here it would block the event loop")
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


async def _awaiting(result: Awaitable[T]) -> T:
    return await result


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
