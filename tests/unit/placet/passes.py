"""What the tests of a pass share: a journal that can be read, and a way to run a handler once."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from placet import Approval, Context, Placet, SyncContext
from placet.execution import Completed, Failed, Json, Paused, Snapshot, run_pass
from placet_contracts.destinations import Destination
from placet_contracts.events import Outcome

Handler = Callable[[Context, Any], Awaitable[Any]] | Callable[[SyncContext, Any], Any]


class Notes:
    """A journal that can be read, and can be made to refuse."""

    def __init__(self) -> None:
        self.steps: dict[str, Json] = {}
        self.took: dict[str, timedelta] = {}
        self.told: list[tuple[str, str, Destination]] = []
        self.refuses: Exception | None = None

    async def record_step(self, name: str, result: Json, took: timedelta) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.steps[name] = result
        self.took[name] = took

    async def record_notification(self, key: str, message: str, destination: Destination) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.told.append((key, message, destination))


def resolved(gate: str, outcome: Outcome = "approved", comment: str | None = None) -> dict[str, Approval]:
    return {gate: Approval(gate, outcome, "ana", datetime(2026, 1, 2, tzinfo=UTC), comment, "inbox")}


async def enter(
    handler: Handler,
    notes: Notes | None = None,
    *,
    input: Json = "null",
    attempt: int = 1,
    steps: Mapping[str, Json] | None = None,
    approvals: Mapping[str, Approval] | None = None,
    timeout: float | None = None,
) -> Completed | Paused | Failed:
    app = Placet()
    app.workflow("flow", timeout=timeout)(handler)
    snapshot = Snapshot("run-1", input, attempt, steps or {}, approvals or {})
    return await run_pass(app.latest("flow"), snapshot, notes or Notes())


def failed(result: object, type: str, *, retryable: bool) -> str:
    """Asserts how a pass failed, and gives the message."""
    assert isinstance(result, Failed)
    assert (result.error.type, result.retryable) == (type, retryable), result.error
    return result.error.message
