"""What this executor serves, as others are told of it: at its start, every half minute, and at its end."""

from collections.abc import Iterable, Sequence

import structlog
from pydantic_core import to_json

from placet.app import Placet, Workflow
from placet_contracts.events import ServedWorkflow, WorkflowsServed
from placet_executor.deps import Deps
from placet_executor.store import workers
from placet_runtime.postgres import Connection

log = structlog.get_logger()

EVERY = 30.0  # seconds
_LONGEST_DESCRIPTION = 1_000
_LARGEST_SCHEMA = 64 * 1024  # bytes of JSON
_LARGEST_SCHEMAS = 1024 * 1024  # of all together


def catalogue(app: Placet) -> list[ServedWorkflow]:
    """The workflows of an app. A schema that is too large to be told is left out, and the log says so."""
    room = _LARGEST_SCHEMAS
    told = []
    for workflow in app.workflows.values():
        schema = workflow.input_schema
        size = len(to_json(schema))
        if schema is not None and size > min(_LARGEST_SCHEMA, room):
            log.warning("workflow.schema_too_large", workflow=workflow.name, version=workflow.version, bytes=size)
            schema = None
        elif schema is not None:
            room -= size
        told.append(
            ServedWorkflow(
                name=workflow.name, version=workflow.version, description=_description(workflow), input_schema=schema
            )
        )
    return told


async def tell(deps: Deps, served: Sequence[ServedWorkflow]) -> None:
    """Say that this executor lives, and what it serves."""
    async with deps.outbox.transaction() as (conn, emit):
        emit([WorkflowsServed(executor=deps.worker, at=await workers.now(conn), workflows=list(served))])


async def gone(conn: Connection, executors: Iterable[str]) -> list[WorkflowsServed]:
    """The events that say that these executors are gone."""
    at = await workers.now(conn)
    return [WorkflowsServed(executor=executor, at=at, workflows=[]) for executor in executors]


def _description(workflow: Workflow) -> str | None:
    text = workflow.description
    return text if text is None or len(text) <= _LONGEST_DESCRIPTION else text[: _LONGEST_DESCRIPTION - 1] + "…"
