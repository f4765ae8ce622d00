"""Effects: none without an approval, none behind a refusal, none of a pass that had lost its run."""

from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic_core import from_json

from chaos.checks.check import Found, found
from chaos.checks.followed import said
from chaos.evidence import Evidence, Row
from placet_contracts.digest import review_digest

_TOLERANCE = 0.05  # seconds, between two clocks of one machine


def only_behind_approvals(evidence: Evidence) -> Found:
    """I5."""
    entered = [line for line in evidence.lines if line.kind == "entered"]
    return found(len(entered), [*said(evidence, "I5"), *_without_approval(evidence)])


def never_behind_refusals(evidence: Evidence) -> Found:
    """I6."""
    refused = {
        (row["run_id"], row["gate"]): row
        for row in evidence.approvals.values()
        if row["status"] in ("rejected", "expired", "cancelled")
    }
    wrong = [
        f"entered in spite of it: {refused[line.run_id, line.name]}"
        for line in evidence.lines
        if line.kind == "entered" and (line.run_id, line.name) in refused
    ]
    return found(len(refused), [*said(evidence, "I6"), *wrong])


def fenced(evidence: Evidence) -> Found:
    """I8."""
    lost = sum(row["lost_leases"] for row in evidence.runs.values())
    return found(lost, [*said(evidence, "I8"), *stale_ends(evidence.moves), *_of_stale_passes(evidence)])


def entered_again(evidence: Evidence) -> int:
    """How often a section was entered more than once: by contract, where a pass was lost."""
    entered = Counter((line.run_id, line.name) for line in evidence.lines if line.kind == "entered")
    return sum(count - 1 for count in entered.values())


def _without_approval(evidence: Evidence) -> Iterator[str]:
    by_gate = {(row["run_id"], row["gate"]): row for row in evidence.approvals.values()}
    for line in evidence.lines:
        if line.kind != "entered":
            continue
        approval = by_gate.get((line.run_id, line.name))
        if approval is None or approval["status"] != "approved" or line.detail != "approved":
            yield f"{line}, but {approval}"
        elif line.at < approval["resolved_at"].timestamp() - _TOLERANCE:
            yield f"{line} came before {approval}"
        else:
            yield from _bound(evidence, approval)


def _bound(evidence: Evidence, approval: Row) -> Iterator[str]:
    """What was approved is what the run asked for."""
    gate = evidence.gates.get(str(approval["id"]))
    run = evidence.runs.get(approval["run_id"])
    if gate is None or run is None:
        yield f"approved for nobody: {approval}"
        return
    reviewed = review_digest(
        input=from_json(run["input"]),
        context=None if approval["context"] is None else from_json(approval["context"]),
        **{key: approval[key] for key in ("run_id", "workflow", "version", "gate", "title", "message")},
    )
    if not gate["digest"] == approval["digest"] == reviewed:
        yield f"approved was something else than what was asked: {approval}, {gate}"


def stale_ends(moves: Iterable[Row]) -> Iterator[str]:
    """Whoever ends a pass is the one who holds it. Anybody may cancel a run, or free one whose lease has run out."""
    holders: dict[tuple[str, int], str] = {}
    for move in moves:
        held = move["run_id"], move["fence"]
        if move["status"] == "running":
            holders[held] = move["by"]
            continue
        by_its_pass = move["was"] == "running" and move["status"] != "cancelled" and not move["lost"]
        if by_its_pass and move["by"] != holders.get(held):
            yield f"{move['by']} has ended a pass that {holders.get(held)} held: {move}"


def _of_stale_passes(evidence: Evidence) -> Iterator[str]:
    """What a run ended with, or has shown to its deciders, are the results that it stored."""
    for run_id, row in evidence.runs.items():
        if row["status"] != "completed":
            continue
        stored = {name: from_json(result) for name, result in evidence.steps[run_id].items()}
        if from_json(row["output"]) != stored:
            yield f"run {run_id} ended with {row['output']}, and stored {stored}"
    for approval in evidence.approvals.values():
        for name, shown in (from_json(approval["context"]) if approval["context"] else {}).items():
            kept = evidence.steps[approval["run_id"]].get(name)
            if kept is None or from_json(kept) != shown:
                yield f"shown was {shown!r} at {approval['gate']} of run {approval['run_id']}, stored {kept}"
