"""A pass under way: what its handler has done so far, and what it may still do."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from types import FrameType
from typing import Any

from placet import values
from placet.errors import DuplicateStep, InterruptInStep, PassOver, StepNameInvalid, StepResultInvalid
from placet.interrupts import Interrupt, destinations, text
from placet.journal import Journal, Snapshot
from placet.values import Json, Shape
from placet_contracts.destinations import Destination
from placet_contracts.digest import digest

_DESTINATION = values.shape(Destination)


class Pass:
    """Guards the journal: nothing is added once the pass is over, or after the journal has refused something."""

    def __init__(self, snapshot: Snapshot, journal: Journal) -> None:
        self.snapshot = snapshot
        self._journal = journal
        self._steps: set[str] = set()
        self._told: set[str] = set()
        self._refusal: Exception | None = None
        self._over = False

    def close(self) -> None:
        self._over = True

    def check(self) -> None:
        """Raises what the journal has raised, if anything, however often it was caught since."""
        if self._refusal is not None:
            raise self._refusal

    def step(self, name: str, fn: Callable[..., Any]) -> "Step":
        """Begin a step.

        Raises:
            DuplicateStep, StepNameInvalid: as they say.
            StepResultInvalid: the function's result type cannot be stored; it has not been called.
        """
        self._check_open()
        if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
            raise StepNameInvalid(name)
        if name in self._steps:
            raise DuplicateStep(name)
        self._steps.add(name)
        try:
            shape = values.shape(values.result_type(fn))
        except Exception as error:
            raise StepResultInvalid(name, values.reason(error)) from error
        return Step(name, shape, self.snapshot.steps.get(name), self)

    async def record_step(self, name: str, result: Json, took: timedelta) -> None:
        await self._write(lambda: self._journal.record_step(name, result, took))

    async def notify(self, site: str, message: str, destination: Destination) -> None:
        key = digest([site, message, _DESTINATION.dump_python(destination, mode="json")])
        if key not in self._told:
            self._told.add(key)
            await self._write(lambda: self._journal.record_notification(key, message, destination))

    async def _write(self, write: Callable[[], Awaitable[None]]) -> None:
        self._check_open()
        try:
            await write()
        except Exception as error:
            self._refusal = self._refusal or error
            raise

    def _check_open(self) -> None:
        self.check()
        if self._over:
            raise PassOver


class Step:
    """A step that has begun."""

    def __init__(self, name: str, shape: Shape, stored: Json | None, of: Pass) -> None:
        self._name = name
        self._shape = shape
        self._stored = stored
        self._pass = of
        self._took = timedelta(0)

    @property
    def done(self) -> bool:
        """Whether a pass before this one has stored its result, be it ``null``."""
        return self._stored is not None

    def replay(self) -> Any:
        """The stored result."""
        assert self._stored is not None
        try:
            return self._shape.validate_json(self._stored)
        except ValueError as error:
            raise StepResultInvalid(self._name, values.reason(error)) from error

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the function's call."""
        began = monotonic()
        try:
            yield
        except Interrupt as interrupt:
            raise InterruptInStep(self._name) from interrupt
        self._took = timedelta(seconds=monotonic() - began)

    async def keep(self, result: object) -> Any:
        """Store a result, and give what a replay will give."""
        if isinstance(result, Interrupt):
            raise InterruptInStep(self._name)
        try:
            stored, value = values.store(self._shape, result)
        except ValueError as error:
            raise StepResultInvalid(self._name, values.reason(error)) from error
        await self._pass.record_step(self._name, stored, self._took)
        return value


def call_site(frame: FrameType) -> str:
    """A place in the author's code, that stays the same where code above its function grows or shrinks."""
    return f"{frame.f_code.co_qualname}:{frame.f_lineno - frame.f_code.co_firstlineno}"


def notification(message: str, destination: object) -> tuple[str, tuple[Destination, ...]]:
    """Checks what is to be told to whom.

    Raises:
        TypeError, ValueError: as `Interrupt.approval` does.
    """
    checked = text("message", message)
    to = destinations(destination)
    if not checked or not to:
        raise ValueError("notify: say what, and to whom")
    return checked, to
