"""What can be started: workflows in their versions, who serves them, and how many runs of them are open. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

Json = str  # JSON text, passed through unparsed


@dataclass(frozen=True, slots=True)
class OpenRuns:
    """How many runs have not ended, by what they do. ``ready`` counts those that are parked not."""

    ready: int = 0
    running: int = 0
    paused: int = 0
    parked: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, each.name) for each in fields(self))

    @classmethod
    def sum(cls, counts: "Iterable[OpenRuns]") -> "OpenRuns":
        """All of them together."""
        counts = list(counts)
        return cls(**{each.name: sum(getattr(count, each.name) for count in counts) for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class Executor:
    """A process that is alive and serves workflows."""

    id: str
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a workflow. Its input schema is ``None`` where any input does, or the schema is too large."""

    version: int
    description: str | None
    input_schema: Json | None
    first_seen_at: datetime
    seen_at: datetime  # served, to half a minute
    executors: tuple[Executor, ...]  # that serve it now
    runs: OpenRuns

    @property
    def served(self) -> bool:
        return bool(self.executors)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow. One that nobody has ever served, and that runs wait for, has no version."""

    name: str
    versions: tuple[Version, ...]  # the highest first
    runs: OpenRuns  # of all versions, and of those that wait for the first
    has_runs: bool  # open or ended

    @property
    def latest(self) -> Version | None:
        """The version that a run is started in, where it names none: the highest that is served, or that was."""
        return next((each for each in self.versions if each.served), next(iter(self.versions), None))

    @property
    def description(self) -> str | None:
        return None if self.latest is None else self.latest.description

    @property
    def input_schema(self) -> Json | None:
        return None if self.latest is None else self.latest.input_schema

    @property
    def served(self) -> bool:
        return any(each.served for each in self.versions)

    @property
    def executors(self) -> tuple[Executor, ...]:
        """Those that serve any version of it."""
        found = {executor.id: executor for each in self.versions for executor in each.executors}
        return tuple(found[id] for id in sorted(found))

    @property
    def seen_at(self) -> datetime | None:
        """When it was last heard that somebody serves it."""
        return max((each.seen_at for each in self.versions), default=None)

    def version(self, number: int | None) -> Version | None:
        """One of its versions; without a number, the one that a run is started in."""
        return self.latest if number is None else next((v for v in self.versions if v.version == number), None)
