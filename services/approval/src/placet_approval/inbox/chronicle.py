"""What happened to a run, in order: as rows of a table, and as the story that `timeline` draws. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic_core import from_json

from placet_approval.domain import Approval, Retry, Run
from placet_approval.inbox import words
from placet_approval.inbox.timeline import Mark, Span, Story
from placet_contracts.events import ENDED, RunError

MOST_ROWS = 500

TONES = {"approved": "good", "rejected": "bad", "expired": "warn", "pending": "waits"}


@dataclass(frozen=True, slots=True)
class Row:
    """Something that happened. ``number``: as in the picture. ``seconds``: that it took, ``None`` of a moment.

    ``open``: it goes on. ``status``: of a gate's approval, or of the run at its end.
    """

    kind: Literal["began", "step", "pause", "retry", "ended"]
    what: str
    at: datetime
    seconds: float | None = None
    number: int | None = None
    open: bool = False
    status: str | None = None
    by: str | None = None
    comment: str | None = None
    approval: UUID | None = None
    error: RunError | None = None


@dataclass(frozen=True, slots=True)
class Chronicle:
    """The rows in order, at most `MOST_ROWS`, and how many more there are; the story; all of it in a sentence."""

    rows: tuple[Row, ...]
    more: int
    story: Story
    summary: str
    begins: datetime


def tell(run: Run, approvals: Sequence[Approval], now: datetime) -> Chronicle:
    """What happened to a run whose approvals these are."""
    until = run.ended_at or now
    rows = sorted([*_steps(run), *_pauses(approvals, until)], key=lambda row: row.at)
    numbered = [replace(row, number=number) for number, row in enumerate(rows, 1)]
    moments = [_retry(retry) for retry in run.retries or ()]
    begins = min([run.created_at, *(row.at for row in rows)])
    all_rows = [Row("began", "Asked for", begins, by=run.requested_by)]
    all_rows += sorted([*numbered, *moments], key=lambda row: row.at)
    if run.status in ENDED:
        all_rows.append(Row("ended", "Ended", until, status=run.status, by=run.cancelled_by))
    story = Story(
        begins=begins,
        until=until,
        ended=run.status in ENDED,
        spans=[_span(row) for row in numbered],
        marks=[Mark(row.at, f"{row.what}: {row.error.type if row.error else ''}") for row in moments],
    )
    more = max(0, len(all_rows) - MOST_ROWS)
    shown = all_rows if not more else [*all_rows[: MOST_ROWS - 1], all_rows[-1]]
    return Chronicle(tuple(shown), more, story, _summary(run, story), begins)


def _steps(run: Run) -> list[Row]:
    return [
        Row("step", step.name, step.started_at, (step.ended_at - step.started_at).total_seconds())
        for step in run.steps or ()
    ]


def _pauses(approvals: Sequence[Approval], until: datetime) -> list[Row]:
    return [
        Row(
            "pause",
            approval.gate,
            approval.opened_at,
            max(0.0, ((approval.resolved_at or until) - approval.opened_at).total_seconds()),
            open=approval.status == "pending",
            status=approval.status,
            by=approval.resolved_by,
            comment=approval.comment,
            approval=approval.id,
        )
        for approval in approvals
    ]


def _retry(retry: Retry) -> Row:
    error = RunError.model_validate(from_json(retry.error))
    return Row("retry", f"Attempt {retry.attempt} failed, and was tried again", retry.at, error=error)


def _span(row: Row) -> Span:
    ends = None if row.open else row.at + timedelta(seconds=row.seconds or 0)
    if row.kind == "step":
        return Span("step", row.number or 0, row.what, row.at, ends)
    note = "waits for a decision" if row.open else f"{row.status} by {words.who(row.by)}"
    return Span("pause", row.number or 0, row.what, row.at, ends, note, TONES.get(row.status or "", ""))


def _summary(run: Run, story: Story) -> str:
    """All of it in a sentence, for those who do not see the picture."""
    steps = sum(span.kind == "step" for span in story.spans)
    pauses = len(story.spans) - steps
    counts = (
        (steps, "step", "steps"),
        (pauses, "pause at a gate", "pauses at gates"),
        (len(story.marks), "retry", "retries"),
    )
    parts = [words.plural(*count) for count in counts if count[0]]
    span = words.span((story.until - story.begins).total_seconds())
    lasted = f"{run.status} after {span}" if story.ended else f"{run.status}, {span} after it began"
    return f"{lasted.capitalize()}{': ' if parts else ''}{', '.join(parts)}."
