"""What happened to a run, told in order."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from placet_approval.domain import Approval, Retry, Run, Step
from placet_approval.inbox import chronicle
from placet_approval.inbox.chronicle import tell

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def run(**facts: Any) -> Run:
    known: dict[str, Any] = {
        "id": "r", "workflow": "refund", "version": 1, "status": "completed", "attempt": 1, "parked": False,
        "gate": None, "input": "1", "output": "2", "error": None, "requested_by": "user:bo",
        "cancelled_by": None, "created_at": T0, "updated_at": at(100), "ended_at": at(100), "steps": (), "retries": (),
    }  # fmt: skip
    return Run(**(known | facts))


def approval(gate: str, opened: float, resolved: float | None, **facts: Any) -> Approval:
    by = None if resolved is None else "user:ana"
    known: dict[str, Any] = dict.fromkeys(Approval.__dataclass_fields__) | {
        "id": uuid4(), "run_id": "r", "workflow": "refund", "version": 1, "gate": gate, "opened_at": at(opened),
        "status": "pending" if resolved is None else "approved", "resolved_by": by,
        "resolved_at": None if resolved is None else at(resolved), "deliveries": (), "votes": (), "changes": (),
    }  # fmt: skip
    return Approval(**(known | facts))


def test_steps_pauses_and_retries_are_told_in_order() -> None:
    """With who decided, how long each took, and how it ended."""
    error = json.dumps({"type": "Boom", "message": "502", "traceback": "Traceback\n"})
    told = tell(
        run(steps=(Step("load", 1, at(1), at(3)), Step("pay", 2, at(90), at(95))), retries=(Retry(1, at(5), error),)),
        [approval("legal", 10, 80, comment="fine")],
        at(500),
    )

    assert [(row.kind, row.what, row.number, row.seconds, row.by) for row in told.rows] == [
        ("began", "Asked for", None, None, "user:bo"),
        ("step", "load", 1, 2, None),
        ("retry", "Attempt 1 failed, and was tried again", None, None, None),
        ("pause", "legal", 2, 70, "user:ana"),
        ("step", "pay", 3, 5, None),
        ("ended", "Ended", None, None, None),
    ]
    assert told.rows[2].error is not None
    assert told.rows[2].error.traceback == "Traceback\n"
    assert (told.rows[3].comment, told.rows[5].status) == ("fine", "completed")
    assert told.summary == "Completed after 1 min 40 s: 2 steps, 1 pause at a gate, 1 retry."
    assert [(span.number, span.label, span.note) for span in told.story.spans] == [
        (1, "load", ""),
        (2, "legal", "approved by ana"),
        (3, "pay", ""),
    ]


def test_what_waits_goes_on_until_now() -> None:
    """A run that has not ended has no end."""
    waits = run(status="paused", ended_at=None, output=None)

    told = tell(waits, [approval("legal", 10, None)], at(70))

    assert (told.rows[-1].kind, told.rows[-1].seconds, told.rows[-1].open) == ("pause", 60, True)
    assert (told.story.ended, told.story.until, told.story.spans[0].ends) == (False, at(70), None)
    assert told.story.spans[0].note == "waits for a decision"
    assert told.summary == "Paused, 1 min 10 s after it began: 1 pause at a gate."


def test_a_step_before_the_beginning_moves_the_beginning() -> None:
    """Clocks of two machines differ a little."""
    told = tell(run(steps=(Step("load", 1, at(-0.5), at(0)),)), [], at(100))

    assert told.begins == at(-0.5)
    assert told.story.begins == at(-0.5)


def test_a_run_of_thousands_of_steps_is_told_in_part() -> None:
    """Its end is told all the same, and how much is left out."""
    many = run(steps=tuple(Step(f"s{n}", 1, at(n / 100), at(n / 100)) for n in range(3000)))

    told = tell(many, [], at(100))

    assert len(told.rows) == chronicle.MOST_ROWS
    assert (told.more, told.rows[-1].kind) == (3002 - chronicle.MOST_ROWS, "ended")
    assert tell(replace(many, steps=None), [], at(100)).more == 0
