"""What an approval's end brings with it, whoever or whatever ended it: the event, signed."""

from collections.abc import Iterable, Sequence

from prometheus_client import Counter, Histogram

from placet_approval.deps import Deps
from placet_approval.domain import Approval
from placet_contracts.events import ApprovalResolved
from placet_runtime.receipts import Resolved

RESOLVED = Counter("placet_approvals_resolved_total", "Approvals that ended, by outcome", ["workflow", "outcome"])
DECISION = Histogram(
    "placet_decision_seconds",
    "From opening to resolution",
    ["workflow"],
    buckets=(1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600),
)


def resolved(deps: Deps, approvals: Sequence[Approval]) -> list[ApprovalResolved]:
    """The events of approvals that have just ended."""
    said = [_said(approval) for approval in approvals]
    return [
        ApprovalResolved(
            **dict(resolution),
            resolved_at=approval.resolved_at,
            channel=approval.channel,
            comment=approval.comment,
            receipt=receipt,
        )
        for approval, resolution, receipt in zip(approvals, said, deps.signer.sign(said), strict=True)
    ]


def count(approvals: Iterable[Approval]) -> None:
    """Count approvals that ended, once that is committed."""
    for approval in approvals:
        RESOLVED.labels(approval.workflow, approval.status).inc()
        if approval.resolved_at is not None:
            DECISION.labels(approval.workflow).observe((approval.resolved_at - approval.opened_at).total_seconds())


def _said(approval: Approval) -> Resolved:
    if approval.status == "pending":
        raise ValueError(f"approval {approval.id} is pending")
    return Resolved(
        approval_id=approval.id,
        run_id=approval.run_id,
        gate=approval.gate,
        outcome=approval.status,
        digest=approval.digest,
        resolved_by=approval.resolved_by or "",
    )
