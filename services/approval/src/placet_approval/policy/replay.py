"""What a draft of a policy would have changed about approvals of the past.

Each is decided again by those who decided on it, with the same votes: they may be enough, or not, or not be asked,
and a rule may make them needless.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from placet_approval.policy.terms import Terms
from placet_approval.policy.votes import Missing, Tally

Kind = Literal["would-let-through", "would-approve-by-rule", "would-ask-more", "would-ask-others"]

ORDER: tuple[Kind, ...] = ("would-let-through", "would-approve-by-rule", "would-ask-more", "would-ask-others")


@dataclass(frozen=True, slots=True)
class Difference:
    """How one approval would have gone otherwise, in a word and in words."""

    kind: Kind
    why: str


def compare(status: str, before: Terms, after: Terms, counted: Tally) -> Difference | None:
    """What other terms would have changed about an approval; ``None`` if nothing.

    ``counted`` is what the votes that were cast come to by the other terms.
    """
    rule = after.approved_by
    if status == "rejected" and rule is not None:
        return Difference("would-let-through", f"{rule} approves what was rejected")
    if status == "rejected" and counted.outcome != "rejected":
        return Difference("would-let-through", "the rejection would not have ended it")
    if rule is not None and before.approved_by is None:
        return Difference("would-approve-by-rule", f"{rule} approves what people approved")
    if status == "approved" and counted.outcome != "approved":
        missing = [f"{each.source} needs {_needs(each.missing)}" for each in counted.progress if each.missing]
        return Difference("would-ask-more", "; ".join(missing) or "it would have been rejected")
    if before.asks != after.asks:
        return Difference("would-ask-others", f"asked by {', '.join(ask.source for ask in after.asks)}")
    return None


def _needs(missing: Sequence[Missing]) -> str:
    return " and ".join(
        f"{each.count} of {', '.join(each.approvers) or 'anybody with the role approver'}" for each in missing
    )
