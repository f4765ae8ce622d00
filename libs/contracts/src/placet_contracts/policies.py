"""Who must say yes to an approval, as data. Authors and operators write it; the approval service judges by it.

An approver is a text: ``user:ana`` (a handle), ``group:finance``, or ``email:ana@example.com``. Unknown fields are
refused everywhere in here: a misspelt condition that is ignored would let more through than was meant.
"""

import re
from datetime import date, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from placet_contracts.base import Model
from placet_contracts.destinations import Destination, address

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OnDeadline = Literal["expire", "reject"]

MOST = 50  # approvers in a quorum, quorums in a stage, stages in a policy
LONGEST_CONDITION = 1000  # characters
LONGEST_TIME = 10 * 366 * 24 * 3600.0  # seconds

_NAMED = re.compile(r"(user|group):[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_MAILBOX = "email:"


def _approver(value: str) -> str:
    if value.startswith(_MAILBOX):
        return _MAILBOX + address(value.removeprefix(_MAILBOX)).lower()
    if not _NAMED.fullmatch(value):
        raise ValueError("an approver is user:<handle>, group:<name> or email:<address>")
    return value


def _once_each(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("somebody is named twice")
    return values


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no time zone, such as Europe/Berlin") from None
    return value


def _no_number(value: object) -> object:
    """Dates and times are written as text: a number would be taken for seconds since 1970."""
    if isinstance(value, int | float):
        raise ValueError("a date as 2026-12-25, a time as 09:00")  # noqa: TRY004, pydantic takes no other
    return value


_APPROVER = r"^(user|group|email):[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]+$"
Approver = Annotated[str, AfterValidator(_approver), WithJsonSchema({"type": "string", "pattern": _APPROVER})]
Approvers = Annotated[tuple[Approver, ...], Field(max_length=MOST), AfterValidator(_once_each)]
Count = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CONDITION, pattern=r"^[^\x00]*$")]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_TIME, allow_inf_nan=False, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class _Strict(Model):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Quorum(_Strict):
    """``required`` different people out of ``approvers``; none named: out of all who have the role approver."""

    approvers: Approvers = ()
    required: Count = 1

    @model_validator(mode="after")
    def _enough_people(self) -> Self:
        people = [approver for approver in self.approvers if not approver.startswith("group:")]
        if self.approvers and len(people) == len(self.approvers) and self.required > len(people):
            raise ValueError(f"required: {self.required} of {len(people)} approvers can never be had")
        return self


class Stage(_Strict):
    """Asked once the stages before it are through. Where ``when`` is false on the input, it is left out."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")] | None = None
    need: Literal["all", "any"] = "all"  # of the quorums
    quorums: Annotated[tuple[Quorum, ...], Field(min_length=1, max_length=MOST)]
    when: Condition | None = None


class Escalation(_Strict):
    """Some seconds after opening, further people may decide: each counts wherever the policy names somebody."""

    after: Seconds
    to: Annotated[Approvers, Field(min_length=1)]
    destinations: Annotated[tuple[Destination, ...], Field(max_length=MOST)] = ()  # told, beside those in ``to``


class Hours(_Strict):
    """Working hours. Times of a policy that has them run only while they do."""

    time_zone: Annotated[str, AfterValidator(_time_zone)]
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = ("mon", "tue", "wed", "thu", "fri")
    opens: Annotated[time, BeforeValidator(_no_number)] = time(9)
    closes: Annotated[time, BeforeValidator(_no_number)] = time(17)
    holidays: Annotated[tuple[Annotated[date, BeforeValidator(_no_number)], ...], Field(max_length=500)] = ()

    @model_validator(mode="after")
    def _open_at_all(self) -> Self:
        if self.opens.tzinfo is not None or self.closes.tzinfo is not None:
            raise ValueError("opens, closes: without a zone; timeZone says it")
        if self.opens >= self.closes:
            raise ValueError("opens: later than closes")
        return self


class Policy(_Strict):
    """What one source asks: the author of a workflow, or a policy of the deployment.

    Without ``stages``, an author asks for one person out of all who have the role approver, and a deployment for
    nobody beside that. ``separate_requester``: where nobody says anything about it, whoever asked for the run cannot
    decide, if that is somebody known.
    """

    stages: Annotated[tuple[Stage, ...], Field(max_length=MOST)] = ()
    rejections: Count = 1  # so many different people end it
    separate_requester: Flag | None = None
    distinct_gates: Flag = False  # whoever decided at another gate of the run cannot decide
    approve_when: Condition | None = None  # where true on the input, this policy asks for nobody
    expires_in: Seconds | None = None  # after opening
    on_deadline: OnDeadline = "expire"
    reminders: Annotated[tuple[Seconds, ...], Field(max_length=MOST)] = ()  # after opening
    escalations: Annotated[tuple[Escalation, ...], Field(max_length=MOST)] = ()
    hours: Hours | None = None  # in which the above times run


class AuthorPolicy(Policy):
    """What the author asks. ``rules_may_approve``: where a deployment's rule approves, no person need."""

    rules_may_approve: Flag = False
