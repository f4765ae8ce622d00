"""The rules of a run, without I/O."""

from datetime import timedelta
from typing import Any

import pytest

from placet import Interrupt
from placet.execution import Completed, Failed, Paused
from placet_contracts.events import MAX_RESULT, RunError
from placet_executor.domain import after_failure, after_resolution, fitting

ERROR = RunError(type="ValueError", message="no")


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("output", ['"x"', "null", '"' + "x" * (MAX_RESULT - 2) + '"', str(nested(99))])
def test_an_output_that_fits_is_left_alone(output: str) -> None:
    """Whatever others can be told of is told as it is."""
    assert fitting(Completed(output)) == Completed(output)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ('"' + "x" * MAX_RESULT + '"', "has 1048578 bytes of JSON; at most 1048576 are allowed"),
        ('"' + "ä" * (MAX_RESULT // 2) + '"', "bytes of JSON"),
        ("[" * 101 + "]" * 101, "nested more than 100 levels deep"),
        ("[" * 5000 + "]" * 5000, "nested more than 100 levels deep"),
    ],
)
def test_an_output_that_nobody_could_be_told_of_fails_its_run(output: str, reason: str) -> None:
    """A result that does not fit into an event ends its run as failed, with the reason, and without a retry."""
    failed = fitting(Completed(output))

    assert isinstance(failed, Failed)
    assert (failed.error.type, failed.retryable) == ("OutputTooLarge", False)
    assert reason in failed.error.message


def test_a_request_that_nobody_could_be_shown_fails_its_run() -> None:
    """A gate that asks with more than fits into an event ends its run as failed, and names the gate."""
    failed = fitting(Paused(Interrupt.approval("legal", context="x" * MAX_RESULT)))

    assert isinstance(failed, Failed)
    assert (failed.error.type, failed.retryable) == ("RequestTooLarge", False)
    assert "'legal'" in failed.error.message


def test_retries_back_off_and_end() -> None:
    """Each failure doubles the pause before the next attempt, up to 15 minutes; the last one fails the run."""

    def after(failures: int, *, retryable: bool = True) -> Any:
        second = timedelta(seconds=1)
        return after_failure("r", 1, ERROR, retryable=retryable, failures=failures, retries=20, backoff=second)

    assert [after(n).status for n in (0, 19, 20)] == ["ready", "ready", "failed"]
    assert after(0, retryable=False).status == "failed"
    for failures, seconds in ((0, 1), (3, 8), (19, 900)):
        assert 0.8 * seconds <= after(failures).delay.total_seconds() <= 1.2 * seconds


@pytest.mark.parametrize(
    ("outcome", "on_reject", "status"),
    [
        ("approved", "reject", "ready"),
        ("approved", "resume", "ready"),
        ("rejected", "reject", "rejected"),
        ("rejected", "resume", "ready"),
        ("expired", "reject", "rejected"),
        ("expired", "resume", "ready"),
        ("cancelled", "reject", "cancelled"),
        ("cancelled", "resume", "cancelled"),
    ],
)
def test_where_a_resolution_leads(outcome: Any, on_reject: str, status: str) -> None:
    """Approved goes on; refused ends, unless the author resumes; cancelled always ends."""
    assert after_resolution(outcome, on_reject) == status
