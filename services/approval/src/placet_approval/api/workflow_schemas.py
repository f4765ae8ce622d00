"""What goes over the wire about workflows."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from placet_approval.api.schemas import Parsed, View
from placet_approval.catalogue import Version
from placet_contracts.base import Model


def _counted(value: Any) -> Any:
    return len(value) if isinstance(value, tuple) else value


def _numbered(value: Any) -> Any:
    return value.version if isinstance(value, Version) else value


Count = Annotated[int, BeforeValidator(_counted)]  # of what the domain lists


class OpenRuns(View):
    """How many runs have not ended, by what they do. Those that are parked are not counted as ready."""

    ready: int
    running: int
    paused: int
    parked: int


class VersionView(View):
    """One version of a workflow. ``inputSchema`` is a JSON Schema, null where any input does or it is too large."""

    version: int
    description: str | None
    input_schema: Parsed
    served: bool
    executors: Count  # that are alive and serve it
    first_seen_at: datetime
    seen_at: datetime  # served, to half a minute
    runs: OpenRuns


class WorkflowView(View):
    """A workflow. ``latest`` is the version of a run that is started without one, and what its description and input
    schema are of; null where nobody has ever served it, and runs wait for it."""

    name: str
    latest: Annotated[int | None, BeforeValidator(_numbered)]
    description: str | None
    input_schema: Parsed
    served: bool
    executors: Count  # that are alive and serve any version of it
    seen_at: datetime | None
    versions: list[VersionView]  # the highest first
    runs: OpenRuns
    has_runs: bool  # open or ended


class WorkflowList(Model):
    """All that any executor has ever served, and what runs wait for; by name."""

    items: list[WorkflowView]
