"""Decisions: one for each approval, the same for everybody, for ever."""

from collections.abc import Iterator

from chaos.checks.check import Found, found
from chaos.checks.followed import said
from chaos.evidence import Evidence
from chaos.linearizability import linearizable

_FAST = 5.0  # seconds, on a machine that is busy with everything at once


def one_and_final(evidence: Evidence) -> Found:
    """I3."""
    tried, refused = evidence.guarded
    wrong = said(evidence, "I3")
    if refused < tried:
        wrong.append(f"of {tried} changes of what is final only {refused} were refused")
    resolved = sum(approval["status"] != "pending" for approval in evidence.approvals.values())
    return found(resolved + tried, wrong)


def linearizable_each(evidence: Evidence) -> Found:
    """I4."""
    histories = evidence.memory.history.operations
    wrong = [
        f"approval {approval_id}: no order explains {operations}"
        for approval_id, operations in histories.items()
        if not linearizable(operations)
    ]
    return found(sum(map(len, histories.values())), wrong)


def by_the_database_s_clock(evidence: Evidence) -> Found:
    """I16."""
    timed = [approval for approval in evidence.approvals.values() if approval["expires_at"] is not None]
    return found(len(timed), _untimely(timed))


def acknowledged_means_committed(evidence: Evidence) -> Found:
    """I18."""
    memory = evidence.memory
    answers = len(memory.decided) + len(memory.cancelled) + memory.counts["starts acknowledged"]
    return found(answers, _undone(evidence))


def without_a_notifier(evidence: Evidence) -> Found:
    """I13."""
    began, ended = evidence.notifier_down
    meanwhile = [lasted for at, lasted in evidence.memory.decisions if began <= at <= ended]
    return found(len(meanwhile), [f"a decision took {lasted:.1f} s" for lasted in meanwhile if lasted > _FAST])


def _untimely(timed: list[dict[str, object]]) -> Iterator[str]:
    for approval in timed:
        resolved_at, expires_at, status = (approval[name] for name in ("resolved_at", "expires_at", "status"))
        if resolved_at is None:
            yield f"pending beyond its deadline: {approval}"
        elif status == "expired" and resolved_at < expires_at:  # type: ignore[operator]
            yield f"expired early: {approval}"
        elif status in ("approved", "rejected") and resolved_at >= expires_at:  # type: ignore[operator]
            yield f"decided late: {approval}"


def _undone(evidence: Evidence) -> Iterator[str]:
    memory = evidence.memory
    for approval_id, state in memory.decided.items():
        row = evidence.approvals.get(approval_id)
        if row is None or (row["status"], row["resolved_by"]) != state:
            yield f"approval {approval_id} was acknowledged as {state}, and is {row}"
    for run_id in memory.cancelled:
        if evidence.shown.get(run_id, {}).get("cancelled_by") is None:
            yield f"the cancellation of run {run_id} was acknowledged, and is not there"
    for start in memory.started:
        if start.via == "http" and start.run_id not in evidence.shown:
            yield f"{start} was acknowledged, and is not there"
    yield from memory.unexpected
