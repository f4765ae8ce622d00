"""Runs one pass of a run: the handler from its first line to its next pause or its end."""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from placet import failures, values
from placet.app import Workflow
from placet.context import Context, SyncContext
from placet.errors import GateAlreadyResolved, NotRetryable
from placet.interrupts import Interrupt
from placet.journal import Approval, Journal, Snapshot
from placet.passes import Pass
from placet.threads import in_thread
from placet.values import Json
from placet_contracts.events import RunError

__all__ = ["Approval", "Completed", "Failed", "Journal", "Json", "Paused", "Snapshot", "run_pass"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Completed:
    """The handler returned its output."""

    output: Json


@dataclass(frozen=True, slots=True)
class Paused:
    """The handler asks for approval, at a gate that is not resolved."""

    interrupt: Interrupt


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, took too long, or its input or output does not fit."""

    error: RunError
    retryable: bool


async def run_pass(workflow: Workflow, snapshot: Snapshot, journal: Journal) -> Completed | Paused | Failed:
    """Run a handler on what is durable of its run. Whatever the handler raises is an ending, not an exception.

    Raises:
        Exception: what the journal raised, even where the handler caught it.
    """
    this = Pass(snapshot, journal)
    try:
        ending = await _enter(workflow, this)
    except (Exception, SystemExit, BaseExceptionGroup) as error:
        this.check()
        ending = _failure(workflow, snapshot, error)
    finally:
        this.close()
    this.check()
    return ending


async def _enter(workflow: Workflow, this: Pass) -> Completed | Paused | Failed:
    try:
        input = workflow.input.validate_json(this.snapshot.input)
    except ValidationError as error:
        invalid = RunError(type="InputInvalid", message=failures.message_of(error), details=failures.details(error))
        return Failed(invalid, retryable=False)
    task = asyncio.current_task()
    assert task is not None
    cancellations = task.cancelling()
    limit = asyncio.timeout(workflow.timeout)
    try:
        async with limit:
            result = await _call(workflow, input, this)
    except Interrupt as interrupt:
        result = interrupt
    except BaseExceptionGroup as group:  # of a TaskGroup in the handler
        interrupts, others = group.split(Interrupt)
        if interrupts is None or others is not None:
            raise
        result = _first(interrupts)
    except asyncio.CancelledError as error:
        if task.cancelling() > cancellations:
            raise
        raise RuntimeError("a task that the handler waits for was cancelled") from error
    except Exception as error:
        if limit.expired():
            message = f"the pass took longer than {workflow.timeout:g} s"
            return Failed(failures.of(error, type="Timeout", message=message), retryable=True)
        raise
    if isinstance(result, Interrupt):
        approval = this.snapshot.approvals.get(result.gate)
        if approval is not None:
            raise GateAlreadyResolved(result.gate, approval.outcome) from result
        return Paused(result)
    try:
        return Completed(values.show(workflow.output, result))
    except ValueError as error:
        message = failures.bounded(values.reason(error))
        return Failed(RunError(type="OutputInvalid", message=message), retryable=False)


async def _call(workflow: Workflow, input: Any, this: Pass) -> Any:
    if workflow.is_async:
        return await workflow.handler(Context(workflow.name, workflow.version, input, this), input)
    loop = asyncio.get_running_loop()
    context = SyncContext(workflow.name, workflow.version, input, this, loop)
    return await in_thread(lambda: workflow.handler(context, input))


def _failure(workflow: Workflow, snapshot: Snapshot, error: BaseException) -> Failed:
    told = failures.of(error)
    log.warning(
        "run.raised",
        run_id=snapshot.run_id,
        workflow=workflow.name,
        version=workflow.version,
        attempt=snapshot.attempt,
        error=told.message,
        exc_info=error if structlog.is_configured() else None,  # in a unit test the assertion says what is wrong
    )
    final = error.subgroup(NotRetryable) if isinstance(error, BaseExceptionGroup) else isinstance(error, NotRetryable)
    return Failed(told, retryable=not final)


def _first(group: BaseExceptionGroup[Interrupt]) -> Interrupt:
    first = group.exceptions[0]
    return first if isinstance(first, Interrupt) else _first(first)
