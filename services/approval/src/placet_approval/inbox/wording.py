"""Policies in plain words: short clauses that read on, one after the other, with ``; `` between them or as a list."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from placet_approval.policy.matching import Match
from placet_approval.policy.terms import AUTHOR, Ask, Terms
from placet_contracts.policies import AuthorPolicy, Day, Hours, Policy, Quorum, Stage

_POLICY = re.compile(r"policy:[A-Za-z0-9._-]+@[0-9]+")
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_DAYS: Sequence[Day] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def in_words(asked: Policy | Terms) -> list[str]:
    """What a policy asks, or all that is asked on one approval: ``2 of group:finance``, ``then 1 of user:ana``, ...

    Never empty. Approvers stand there as they are written; they, names and conditions are somebody's text.
    """
    return _of_terms(asked) if isinstance(asked, Terms) else _of_policy(asked)


def about(match: Match) -> str:
    """What a policy is about: ``the gate legal of refund, version 2``."""
    if match.workflow is None and match.version is None and match.gate is None:
        return "every approval"
    workflow = match.workflow or "any workflow"
    version = "" if match.version is None else f", version {match.version}"
    gate = "every gate" if match.gate is None else f"the gate {match.gate}"
    return f"{gate} of {workflow}{version}"


def duration(seconds: float) -> str:
    """A time, in the two largest units that it has: ``1 day 12 hours``."""
    left = round(seconds)
    if left == 0:
        return f"{seconds:.2g} seconds"
    parts = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(_count(count, unit))
        if len(parts) == 2:
            break
    return " ".join(parts)


def source(text: str) -> str:
    """Where an ask comes from: ``the author``, ``the policy large-refunds (version 2)``."""
    if text == AUTHOR:
        return "the author"
    name, _, version = text.removeprefix("policy:").rpartition("@")
    return f"the draft {name}" if version == "0" else f"the policy {name} (version {version})"


def sourced(text: str) -> str:
    """A text with the policies that it names in words."""
    return _POLICY.sub(lambda found: source(found[0]), text)


def source_of_rule(rule: str) -> str:
    """Whose rule it is that stands for people: ``the rule of the author``."""
    return f"the rule of {source(rule.removeprefix('rule:'))}"


def _of_policy(policy: Policy) -> list[str]:
    clauses = _stages(policy.stages)
    if not clauses:
        clauses = [quorum(Quorum())] if isinstance(policy, AuthorPolicy) else ["nobody more than the workflow asks"]
    if policy.approve_when is not None:
        clauses.append(f"nobody, where {policy.approve_when}")
    if policy.rejections > 1:
        clauses.append(f"{policy.rejections} different people must reject to end it")
    if policy.separate_requester is not None:
        clauses.append("not whoever asked" if policy.separate_requester else "whoever asked may decide too")
    if policy.distinct_gates:
        clauses.append("not whoever decided at another gate of the run")
    if isinstance(policy, AuthorPolicy) and policy.rules_may_approve:
        clauses.append("a rule of the deployment may approve for the author too")
    return clauses + list(_times(policy))


def _of_terms(terms: Terms) -> list[str]:
    clauses = []
    for ask in terms.asks:
        by = "" if len(terms.asks) == 1 else f"{source(ask.source)}: "
        first, *rest = _ask(ask)
        clauses += [f"{by}{first}", *rest]
    clauses.append("whoever asked may decide too" if terms.separate_requester is False else "not whoever asked")
    if terms.distinct_gates:
        clauses.append("not whoever decided at another gate of the run")
    return clauses


def _ask(ask: Ask) -> list[str]:
    if ask.approved_by is not None:
        return [f"nobody, as {source_of_rule(ask.approved_by)} approves"]
    clauses = _stages(ask.stages) or ["nobody"]
    if ask.escalated:
        clauses.append(f"also {_names(ask.escalated)}, wherever somebody is named")
    if ask.rejections > 1:
        clauses.append(f"{ask.rejections} different people must reject to end it")
    return clauses


def _stages(stages: Iterable[Stage]) -> list[str]:
    return [("then " if number else "") + _stage(stage) for number, stage in enumerate(stages)]


def _stage(stage: Stage) -> str:
    quorums = [quorum(each) for each in stage.quorums]
    asked = quorums[0]
    if len(quorums) > 1:
        asked = f"either {' or '.join(quorums)}" if stage.need == "any" else f"{' and '.join(quorums)}, all different"
    name = "" if stage.name is None else f" ({stage.name})"
    return f"{asked}{name}" + ("" if stage.when is None else f", where {stage.when}")


def quorum(asked: Quorum) -> str:
    """Who must say yes: ``2 of group:finance``, ``1 person with the role approver``."""
    if not asked.approvers:
        return f"{asked.required} {'person' if asked.required == 1 else 'people'} with the role approver"
    return f"{asked.required} of {_names(asked.approvers)}"


def _times(policy: Policy) -> Iterable[str]:
    working = "" if policy.hours is None else " of working time"
    if policy.reminders:
        yield f"reminds after {_and([duration(each) for each in policy.reminders])}{working}"
    for each in policy.escalations:
        yield f"after {duration(each.after)}{working} also {_names(each.to)} may decide"
    if policy.expires_in is not None:
        ends = "is rejected" if policy.on_deadline == "reject" else "expires"
        yield f"{ends} after {duration(policy.expires_in)}{working}"
    if policy.hours is not None:
        yield _hours(policy.hours)


def _hours(hours: Hours) -> str:
    free = f", without {_count(len(hours.holidays), 'holiday')}" if hours.holidays else ""
    return f"working time is {_days(hours.days)}, {hours.opens:%H:%M} to {hours.closes:%H:%M}, {hours.time_zone}{free}"


def _days(days: Sequence[Day]) -> str:
    places = sorted({_DAYS.index(day) for day in days})
    names = [_DAYS[place].capitalize() for place in places]
    in_a_row = all(later == earlier + 1 for earlier, later in pairwise(places))
    return f"{names[0]} to {names[-1]}" if len(names) > 2 and in_a_row else _and(names)


def _names(approvers: Sequence[str]) -> str:
    return ", ".join(approvers)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
