"""Who must say yes, in an author's words; `Interrupt.approval` takes it.

::

    Interrupt.approval(approvers=Group("finance"), required=2)
    Interrupt.approval(stages=[
        Stage(User("ana"), User("bo"), required=2),
        Stage(Quorum(Group("finance")), Quorum(Group("legal")), need="any", when="input.amount > 1000"),
    ])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from placet_contracts import policies as wire
from placet_contracts.cloudevents import explain
from placet_contracts.destinations import Destination, Email
from placet_contracts.policies import Day, OnDeadline

M = TypeVar("M")


@dataclass(frozen=True)
class User:
    """A user of the deployment, by handle: ``User("ana")``."""

    handle: str

    def __post_init__(self) -> None:
        _check(wire.Quorum, approvers=(_approver(self),))


@dataclass(frozen=True)
class Group:
    """Whoever is in a group when they decide: ``Group("finance")``."""

    name: str

    def __post_init__(self) -> None:
        _check(wire.Quorum, approvers=(_approver(self),))


Approver = User | Group | Email


@dataclass(frozen=True, init=False)
class Quorum:
    """So many different people out of these: ``Quorum(Group("legal"), required=2)``."""

    approvers: tuple[Approver, ...]
    required: int

    def __init__(self, *approvers: Approver, required: int = 1) -> None:
        """Without approvers: out of all who have the role approver.

        Raises:
            TypeError: something is no approver.
            ValueError: fewer people are named than are required.
        """
        object.__setattr__(self, "approvers", named("approvers", approvers))
        object.__setattr__(self, "required", required)
        self._wire()

    def _wire(self) -> wire.Quorum:
        return _check(wire.Quorum, approvers=tuple(map(_approver, self.approvers)), required=self.required)


@dataclass(frozen=True, init=False)
class Stage:
    """Asked once the stages before it are through."""

    quorums: tuple[Quorum, ...]
    need: Literal["all", "any"]
    when: str | None
    name: str | None

    def __init__(
        self,
        *who: Approver | Quorum,
        required: int = 1,
        need: Literal["all", "any"] = "all",
        when: str | None = None,
        name: str | None = None,
    ) -> None:
        """Approvers, of whom ``required`` must say yes; or quorums, of which all must be met, or any one.

        ``when``: a condition on the run's input in CEL, such as ``input.amount > 1000``. Where it is false, the stage
        is left out; where it cannot be told (a field that is missing, an error), the stage is asked.

        Raises:
            TypeError: something is neither approver nor quorum.
            ValueError: approvers and quorums are mixed, or an argument does not do.
        """
        quorums = tuple(one for one in who if isinstance(one, Quorum))
        people = tuple(one for one in who if not isinstance(one, Quorum))
        if quorums and (people or required != 1):
            raise ValueError("a stage has approvers, or quorums that have them: put each approver into a quorum")
        object.__setattr__(self, "quorums", quorums or (Quorum(*people, required=required),))
        object.__setattr__(self, "need", need)
        object.__setattr__(self, "when", when)
        object.__setattr__(self, "name", name)
        self._wire()

    def _wire(self) -> wire.Stage:
        quorums = tuple(quorum._wire() for quorum in self.quorums)
        return _check(wire.Stage, name=self.name, need=self.need, quorums=quorums, when=self.when)


@dataclass(frozen=True, init=False)
class Escalation:
    """When nobody has decided after some time, further people may: ``Escalation(timedelta(hours=4), Group("heads"))``.

    They count wherever the author named somebody. Mailboxes among them, and ``destination``, are told.
    """

    after: timedelta | float
    to: tuple[Approver, ...]
    destinations: tuple[Destination, ...]

    def __init__(
        self,
        after: timedelta | float,
        *to: Approver,
        destination: Destination | Sequence[Destination] = (),
    ) -> None:
        """``after`` is a time or seconds, from the moment of asking.

        Raises:
            TypeError, ValueError: an argument that does not do.
        """
        object.__setattr__(self, "after", after)
        object.__setattr__(self, "to", named("to", to))
        several = destination if isinstance(destination, Sequence) else (destination,)
        object.__setattr__(self, "destinations", tuple(several))
        self._wire()

    def _wire(self) -> wire.Escalation:
        to = tuple(map(_approver, self.to))
        return _check(wire.Escalation, after=seconds("after", self.after), to=to, destinations=self.destinations)


@dataclass(frozen=True)
class Hours:
    """Working hours: deadline, reminders and escalations count only while they run."""

    time_zone: str
    days: Sequence[Day] = ("mon", "tue", "wed", "thu", "fri")
    opens: time = time(9)
    closes: time = time(17)
    holidays: Sequence[date] = ()

    def __post_init__(self) -> None:
        self._wire()

    def _wire(self) -> wire.Hours:
        return _check(
            wire.Hours,
            time_zone=self.time_zone,
            days=tuple(self.days),
            opens=self.opens,
            closes=self.closes,
            holidays=tuple(self.holidays),
        )


def policy(
    *,
    approvers: Approver | Sequence[Approver] | None = None,
    required: int | None = None,
    stages: Sequence[Stage] | None = None,
    rejections: int = 1,
    requester_may_decide: bool | None = None,
    distinct_gates: bool = False,
    approve_when: str | None = None,
    rules_may_approve: bool = False,
    on_deadline: OnDeadline = "expire",
    reminders: Sequence[timedelta | float] = (),
    escalate: Escalation | Sequence[Escalation] = (),
    hours: Hours | None = None,
    expires_in: float | None = None,
) -> wire.AuthorPolicy | None:
    """The policy of an interrupt; ``None`` if nothing is asked but one person who has the role approver.

    Raises:
        TypeError: an argument of another type.
        ValueError: arguments that do not do, or not together.
    """
    if stages is not None and (approvers is not None or required is not None):
        raise ValueError("stages: say approvers and required in each stage, not beside them")
    if stages is not None and not stages:
        raise ValueError("stages: name at least one, or leave it out")
    asked: tuple[wire.Stage, ...] = ()
    if stages is not None:
        for stage in stages:
            if not isinstance(stage, Stage):
                raise TypeError(f"stages: Stage(...), not {stage.__class__.__name__}")
        asked = tuple(stage._wire() for stage in stages)
    elif approvers is not None or required is not None:
        people = () if approvers is None else named("approvers", approvers)
        if approvers is not None and not people:
            raise ValueError(
                "approvers: name at least one, or leave it out: then whoever has the role approver may decide"
            )
        asked = (Stage(*people, required=1 if required is None else required)._wire(),)
    several = [escalate] if isinstance(escalate, Escalation) else list(escalate)
    for one in several:
        if not isinstance(one, Escalation):
            raise TypeError(f"escalate: Escalation(...), not {one.__class__.__name__}")
    made = _check(
        wire.AuthorPolicy,
        stages=asked,
        rejections=rejections,
        separate_requester=None if requester_may_decide is None else not requester_may_decide,
        distinct_gates=distinct_gates,
        approve_when=approve_when,
        rules_may_approve=rules_may_approve,
        on_deadline=on_deadline,
        reminders=tuple(seconds("reminders", after) for after in reminders),
        escalations=tuple(one._wire() for one in several),
        hours=None if hours is None else hours._wire(),
    )
    _check_times(made, expires_in)
    return None if made == wire.AuthorPolicy() else made


def _check_times(policy: wire.AuthorPolicy, expires_in: float | None) -> None:
    if expires_in is None and policy.on_deadline != "expire":
        raise ValueError("on_deadline: goes with expires_in")
    if expires_in is None and policy.hours is not None and not policy.reminders and not policy.escalations:
        raise ValueError("hours: nothing here takes time: say expires_in, reminders or escalate")
    moments = (*policy.reminders, *(escalation.after for escalation in policy.escalations))
    if expires_in is not None and any(after >= expires_in for after in moments):
        raise ValueError("reminders, escalate: come before expires_in, or never")


def named(name: str, value: object) -> tuple[Approver, ...]:
    """One approver or several, as a tuple.

    Raises:
        TypeError: something in it is no approver.
    """
    if isinstance(value, User | Group | Email):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(one for item in value for one in named(name, item))
    raise TypeError(f'{name}: User("ana"), Group("finance") or Email("ana@example.com"), not {value!r:.100}')


def seconds(name: str, value: object) -> float:
    """A time as seconds.

    Raises:
        TypeError: it is neither a timedelta nor a number.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: a timedelta or seconds, not {value.__class__.__name__}")
    return float(value)


def _approver(approver: Approver) -> str:
    match approver:
        case User(handle):
            return f"user:{handle}"
        case Group(name):
            return f"group:{name}"
        case Email(email):
            return f"email:{email}"


def _check(model: type[M], **values: Any) -> M:
    try:
        return model(**values)
    except ValidationError as error:
        raise ValueError(explain(error)) from None
