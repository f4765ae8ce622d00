"""What is told: with what changed, as often as may be, and to the end."""

from collections.abc import Iterator

from pydantic_core import from_json

from chaos.checks.check import Found, found
from chaos.checks.followed import said, transactions, transitions
from chaos.evidence import Evidence

_FACTS = ("status", "seq", "workflow", "version", "gate", "parked")


def with_the_change(evidence: Evidence) -> Found:
    """I10."""
    return found(transactions(evidence), [*said(evidence, "I10"), *_otherwise_shown(evidence)])


def repeats_are_harmless(evidence: Evidence) -> Found:
    """I11."""
    return found(evidence.replayed, evidence.moved)


def everybody_is_notified(evidence: Evidence) -> Found:
    """I12."""
    return found(len(evidence.deliveries), _untold(evidence))


def only_legal_transitions(evidence: Evidence) -> Found:
    """I14."""
    return found(transitions(evidence), said(evidence, "I14"))


def audited(evidence: Evidence) -> Found:
    """I17."""
    rows, wrong = evidence.audited
    return found(rows, wrong)


def told_again(evidence: Evidence) -> dict[str, int]:
    """How many attempts came more than once, by channel. Receivers can tell, by the id that each carries."""
    return {channel: sum(count - 1 for count in attempts.values()) for channel, attempts in evidence.attempts.items()}


def _otherwise_shown(evidence: Evidence) -> Iterator[str]:
    for run_id, row in evidence.runs.items():
        shown = evidence.shown.get(run_id)
        if shown is None:
            yield f"run {run_id} is not shown"
            continue
        here, there = ([each[fact] for fact in _FACTS] for each in (row, shown))
        if here != there:
            yield f"run {run_id} is {here}, and shown as {there}"
        elif row["status"] == "completed" and from_json(row["output"]) != from_json(shown["output"]):
            yield f"run {run_id} ended with {row['output']}, shown is {shown['output']}"
    for id, gate in evidence.gates.items():
        approval = evidence.approvals.get(id)
        if approval is None:
            yield f"nobody was asked at {gate}"
        elif gate["outcome"] not in (None, approval["status"]):
            yield f"{gate}, but {approval}"
    for row in evidence.quarantined:
        yield f"refused: {row}"


def _untold(evidence: Evidence) -> Iterator[str]:
    arrived = {id for attempts in evidence.attempts.values() for id in attempts}
    told = {str(row["approval_id"]) for row in evidence.deliveries.values()}
    for id, approval in evidence.approvals.items():
        stillborn = approval["resolved_at"] == approval["opened_at"]
        if approval["notified"] and not stillborn and id not in told:
            yield f"nobody was told of {approval}"
    for id, row in evidence.deliveries.items():
        if row["status"] != "sent":
            yield f"not sent: {row}"
        elif id not in arrived:
            yield f"sent, and never arrived: {row}"
    for id in arrived - evidence.deliveries.keys():
        yield f"delivery {id} was sent, and is not there"
    if len({(row["approval_id"], row["destination"]) for row in evidence.deliveries.values()}) < len(
        evidence.deliveries
    ):
        yield "a destination was told of one approval under two ids"
