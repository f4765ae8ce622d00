"""Checks see what is wrong."""

from typing import Any

from chaos.checks.effects import stale_ends


def move(was: str | None, status: str, by: str, fence: int, lost: int = 0) -> dict[str, Any]:
    return {"run_id": "run", "fence": fence, "was": was, "status": status, "lost": lost, "by": by}


LOST = [
    move(None, "running", "executor-0", 1),
    move("running", "ready", "executor-1", 1, lost=1),  # anybody may free it
    move("ready", "running", "executor-1", 2),
]


def test_whoever_holds_a_pass_may_end_it() -> None:
    """The holder of the present fencing token ends the pass; a cancellation comes from anybody."""
    assert not list(stale_ends([*LOST, move("running", "paused", "executor-1", 2)]))
    assert not list(stale_ends([*LOST, move("running", "cancelled", "executor-0", 2)]))


def test_whoever_has_lost_it_may_not() -> None:
    """Somebody whose lease has passed to another one ends nothing."""
    [wrong] = stale_ends([*LOST, move("running", "paused", "executor-0", 2)])

    assert wrong.startswith("executor-0 has ended a pass that executor-1 held")
