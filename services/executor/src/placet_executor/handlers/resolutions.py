"""Resolutions: what lets a paused run go on, or ends it."""

from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.events import ApprovalResolved
from placet_executor.deps import Deps
from placet_executor.domain import Resolution
from placet_executor.handlers.changes import changed, hint_others
from placet_executor.handlers.passes import with_history
from placet_executor.store import history
from placet_runtime import quarantine
from placet_runtime.quarantine import Refused
from placet_runtime.receipts import ReceiptInvalid, Resolved, Verifier

log = structlog.get_logger()

FORGED = Counter("placet_resolutions_refused_total", "Resolutions whose receipt did not verify or did not fit")


async def on_approval_resolved(deps: Deps, events: Sequence[CloudEvent[ApprovalResolved]]) -> None:
    """Let paused runs go on or end, each by one resolution whose receipt fits what its run asked for.

    A repeat changes nothing. A resolution that does not fit has no effect: it is kept to look at, and counted.
    """
    resolutions: list[Resolution] = []
    refused: list[Refused] = []
    bodies: dict[object, bytes] = {}
    for event in events:
        try:
            resolution = _verified(deps.verifier, event.data)
        except ReceiptInvalid as error:
            refused.append(Refused(event.type, f"receipt refused: {error}", encode(event)))
        else:
            resolutions.append(resolution)
            bodies[resolution.approval_id] = encode(event)
    with deps.hands.room(len(resolutions)) as room:
        async with deps.outbox.transaction("resume") as (conn, emit):
            resolved, moved, claimed = await history.resolve_gates(conn, resolutions, deps.offer(room))
            emit(changed(change) for change in moved)
            await hint_others(deps, conn, moved)
            claimed = await with_history(conn, claimed)
            if len(resolved) < len(resolutions):
                left = [r for r in resolutions if (r.run_id, r.gate) not in resolved]
                known = await history.outcomes(conn, left)
                gone = await history.deleted(conn, [r.run_id for r in left if r.approval_id not in known])
                refused += [
                    Refused(ApprovalResolved.type, reason, bodies[r.approval_id])
                    for r in left
                    if r.run_id not in gone and (reason := _misfit(r, known.get(r.approval_id))) is not None
                ]
            await quarantine.add(conn, "executor", refused)
        deps.hands.execute(claimed)
    if refused:
        FORGED.inc(len(refused))
        log.error("resolutions.refused", count=len(refused))
    if any(change.status == "ready" for change in moved):
        deps.hands.wake()


def _verified(verifier: Verifier, event: ApprovalResolved) -> Resolution:
    said = Resolved(
        approval_id=event.approval_id,
        run_id=event.run_id,
        gate=event.gate,
        outcome=event.outcome,
        digest=event.digest,
        resolved_by=event.resolved_by,
    )
    verifier.verify(event.receipt, said)
    return Resolution(
        **dict(said),
        resolved_at=event.resolved_at,
        channel=event.channel,
        comment=event.comment,
        receipt=event.receipt,
    )


def _misfit(resolution: Resolution, gate: tuple[str, str | None] | None) -> str | None:
    """Why a resolution was not taken; ``None`` for a repeat."""
    if gate is None:
        return f"no run of ours has asked for approval {resolution.approval_id}"
    digest, outcome = gate
    if digest != resolution.digest:
        return "what was reviewed is not what the run asked for: the digests differ"
    if outcome != resolution.outcome:
        return f"the gate is already {outcome}"
    return None
