"""Progress: whatever has happened, everything ends."""

from collections.abc import Iterator

from chaos.checks.check import Found, found
from chaos.evidence import Evidence
from placet_contracts.events import ENDED


def everything_rests(evidence: Evidence) -> Found:
    """I7."""
    resolved = sum(gate["outcome"] is not None for gate in evidence.gates.values())
    return found(resolved, _stuck(evidence))


def broker_is_no_sole_copy(evidence: Evidence) -> Found:
    """I9."""
    under_way = {
        run_id
        for injected in evidence.injected
        if injected.planned.kind == "broker" and injected.planned.variant in ("wipe", "queue deleted")
        for run_id in injected.effect.runs
    }
    wrong = [
        f"run {run_id} was there when the broker was wiped, and is {row and row['status']}"
        for run_id in under_way
        if (row := evidence.runs.get(run_id)) is None or row["status"] not in ENDED
    ]
    return found(len(under_way), wrong)


def after_years(evidence: Evidence) -> Found:
    """I15."""
    wrong = [
        f"run {run_id} was resumed after years, and is {row and row['status']}"
        for run_id in evidence.aged
        if (row := evidence.runs.get(run_id)) is None or row["status"] != "completed"
    ]
    wrong += [
        f"run {run_id} is served by nobody, and not shown as parked"
        for run_id in set(evidence.unserved) - set(evidence.parked)
    ]
    return found(len(evidence.aged) + len(evidence.unserved), wrong)


def _stuck(evidence: Evidence) -> Iterator[str]:
    if evidence.rested is None:
        yield "not everything came to rest"
    for run_id, row in evidence.runs.items():
        if row["status"] not in ENDED and not row["parked"]:
            gates = [gate for gate in evidence.gates.values() if gate["run_id"] == run_id]
            yield f"run {run_id} is {row['status']} for ever: {row}, {gates}"
    for injected in evidence.injected:
        if injected.effect.stuck:
            yield injected.effect.stuck
        if injected.recovery is None:
            yield f"nothing went through after {injected.planned}"
    if evidence.outboxes:
        yield f"{evidence.outboxes} messages were acknowledged by nobody"
