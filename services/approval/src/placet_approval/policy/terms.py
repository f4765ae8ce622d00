"""What is asked on one approval: its author's policy and those of the deployment, side by side.

Each *ask* is one source's, and is met by itself; an approval is approved when every ask is. So an ask that is added can
only tighten, and none can loosen another. Terms are stored with the approval when it opens, and judged by from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from placet_approval.policy import conditions
from placet_contracts.base import Model
from placet_contracts.policies import Approver, AuthorPolicy, Policy, Quorum, Stage

AUTHOR = "author"
_ANYBODY = Stage(quorums=(Quorum(),))


class Rule(Model):
    """A condition as it came out on the input. ``result`` is ``None`` where it could not be told."""

    source: str
    condition: str
    approves: bool  # it stands for people; else it says whether a stage is asked
    result: bool | None
    error: str | None = None


class Ask(Model):
    """What one source asks. Its stages' conditions are decided: those that are false are gone."""

    source: str
    stages: tuple[Stage, ...]
    rejections: int = 1
    escalated: tuple[Approver, ...] = ()  # they count wherever somebody is named
    approved_by: str | None = None  # the rule that stands for people


class Terms(Model):
    """All that is asked on an approval."""

    asks: tuple[Ask, ...]
    separate_requester: bool | None = None  # None: not the requester, but for the bootstrap key
    distinct_gates: bool = False
    rules: tuple[Rule, ...] = ()

    @property
    def approved_by(self) -> str | None:
        """The rule that has approved, where all asks are met by rules."""
        rules = [ask.approved_by for ask in self.asks]
        return next((rule for rule in rules if rule), None) if all(rules) else None


PLAIN = Terms(asks=(Ask(source=AUTHOR, stages=(_ANYBODY,)),))
"""What is asked where nobody says anything: one person who has the role approver, and not the requester."""


@dataclass(frozen=True, slots=True)
class Named:
    """A policy of the deployment, with the name and version that it is known by."""

    name: str
    version: int
    policy: Policy

    @property
    def source(self) -> str:
        return f"policy:{self.name}@{self.version}"


def combine(author: AuthorPolicy | None, deployment: Sequence[Named], input: object) -> Terms:
    """The terms of an approval on this input. Whatever cannot be told has people asked."""
    asked = author or AuthorPolicy()
    rules: list[Rule] = []
    asks = [_ask(AUTHOR, asked, input, rules)]
    asks += [_ask(named.source, named.policy, input, rules) for named in deployment]
    if not asks[0].stages:
        asks[0] = asks[0].model_copy(update={"stages": (_ANYBODY,)})
    by_rule = next((ask.approved_by for ask in asks[1:] if ask.approved_by), None)
    if asked.rules_may_approve and by_rule is not None and asks[0].approved_by is None:
        asks[0] = asks[0].model_copy(update={"approved_by": by_rule})
    policies = [asked, *(named.policy for named in deployment)]
    strict = any(policy.separate_requester for policy in policies)
    return Terms(
        asks=(asks[0], *(ask for ask in asks[1:] if ask.stages)),
        separate_requester=strict or asked.separate_requester,
        distinct_gates=any(policy.distinct_gates for policy in policies),
        rules=tuple(rules),
    )


def reassign(terms: Terms, who: Approver, to: Approver) -> Terms:
    """The terms with ``to`` in the place of ``who``, wherever that is named.

    Raises:
        ValueError: ``to`` is named there already, and more different people are asked for than are left.
    """

    def swap(approvers: tuple[Approver, ...]) -> tuple[Approver, ...]:
        return tuple(dict.fromkeys(to if approver == who else approver for approver in approvers))

    asks = []
    for ask in terms.asks:
        stages = tuple(
            stage.model_copy(
                update={
                    "quorums": tuple(
                        Quorum(approvers=swap(quorum.approvers), required=quorum.required) for quorum in stage.quorums
                    )
                }
            )
            for stage in ask.stages
        )
        asks.append(ask.model_copy(update={"stages": stages, "escalated": swap(ask.escalated)}))
    return terms.model_copy(update={"asks": tuple(asks)})


def escalate(terms: Terms, source: str, to: Sequence[Approver]) -> Terms:
    """The terms with further approvers in what this source asks."""
    asks = tuple(
        ask.model_copy(update={"escalated": tuple(dict.fromkeys((*ask.escalated, *to)))})
        if ask.source == source
        else ask
        for ask in terms.asks
    )
    return terms.model_copy(update={"asks": asks})


def names(terms: Terms) -> set[Approver]:
    """Everybody whom the terms name."""
    quorums = [quorum for ask in terms.asks for stage in ask.stages for quorum in stage.quorums]
    found = {approver for quorum in quorums for approver in quorum.approvers}
    return found | {approver for ask in terms.asks for approver in ask.escalated}


def _ask(source: str, policy: Policy, input: object, rules: list[Rule]) -> Ask:
    stages = tuple(
        stage.model_copy(update={"when": None})
        for stage in policy.stages
        if stage.when is None or _decide(source, stage.when, input, rules, approves=False) is not False
    )
    by_rule = policy.approve_when is not None and _decide(source, policy.approve_when, input, rules, approves=True)
    return Ask(
        source=source,
        stages=stages,
        rejections=policy.rejections,
        approved_by=f"rule:{source}" if by_rule else None,
    )


def _decide(source: str, condition: str, input: object, rules: list[Rule], *, approves: bool) -> bool | None:
    try:
        result, error = conditions.holds(condition, input), None
    except conditions.CannotTell as reason:
        result, error = None, str(reason)
    rules.append(Rule(source=source, condition=condition, approves=approves, result=result, error=error))
    return result
