"""How a handler pauses its run: it returns or raises an `Interrupt`."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypedDict, Unpack, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from placet.policies import Approver, Escalation, Hours, Stage, policy
from placet_contracts.destinations import Destination, Email, Slack, Webhook
from placet_contracts.events import GateName, OnReject
from placet_contracts.policies import AuthorPolicy, OnDeadline

UNNAMED = "approval"  # the gate of those who need only one

_GATE: TypeAdapter[str] = TypeAdapter(GateName)


class Options(TypedDict, total=False):
    """What a request for approval may say. See `Interrupt.approval`."""

    message: str | None
    destination: Destination | Sequence[Destination] | None
    title: str | None
    context: object
    expires_in: timedelta | float | None
    on_reject: OnReject
    approvers: Approver | Sequence[Approver] | None
    required: int | None
    stages: Sequence[Stage] | None
    rejections: int
    requester_may_decide: bool | None
    distinct_gates: bool
    approve_when: str | None
    rules_may_approve: bool
    on_deadline: OnDeadline
    reminders: Sequence[timedelta | float]
    escalate: Escalation | Sequence[Escalation]
    hours: Hours | None


class Interrupt(BaseException):
    """A request for approval, at a gate of its run.

    A ``BaseException``, as ``asyncio.CancelledError`` is: raised, it passes through a handler's ``except Exception``,
    which would take it for a failure and go on without the approval.
    """

    gate: str
    message: str | None
    destinations: tuple[Destination, ...]
    title: str | None
    context: Any  # plain JSON
    expires_in: float | None  # seconds
    on_reject: OnReject
    policy: AuthorPolicy | None  # None: one person out of all who have the role approver

    def __init__(
        self,
        gate: str = UNNAMED,
        *,
        message: str | None = None,
        destination: Destination | Sequence[Destination] | None = None,
        title: str | None = None,
        context: object = None,
        expires_in: timedelta | float | None = None,
        on_reject: OnReject = "reject",
        **who: Any,
    ) -> None:
        """See `approval`."""
        super().__init__(gate)
        self.gate = _gate(gate)
        self.message = text("message", message)
        self.destinations = destinations(destination)
        self.title = text("title", title)
        self.context = _plain_json(context)
        self.expires_in = _seconds(expires_in)
        if on_reject not in get_args(OnReject):
            raise ValueError(f"on_reject: {on_reject!r} is none of {', '.join(get_args(OnReject))}")
        self.on_reject = on_reject
        self.policy = policy(**who, expires_in=self.expires_in)

    @classmethod
    def approval(cls, gate: str = UNNAMED, **options: Unpack[Options]) -> "Interrupt":
        """Ask people for their approval.

        ``context`` is shown beside the run's input: anything that has a JSON. ``expires_in`` counts in seconds.
        A rejected or expired run ends as ``rejected`` and its handler is not entered again, unless
        ``on_reject="resume"``: then it is, and finds the outcome in ``ctx.approval(gate)``.

        Who must say yes. Without any of these, one person does who has the role approver:

        - ``approvers``: users, groups and mailboxes; ``required``: so many different people of them.
        - ``stages``: several such, one after the other, with conditions; instead of the two above.
        - ``rejections``: so many different people end it. One is enough, unless it says otherwise.
        - ``requester_may_decide``: whoever asked for the run may not, if that is somebody known; ``False`` never,
          ``True`` as everybody else.
        - ``distinct_gates``: whoever decided at another gate of this run may not decide here.
        - ``approve_when``: a condition on the input in CEL; where it is true, nobody is asked, and the rule approves.
        - ``rules_may_approve``: where a rule of the deployment approves, no person need.

        And when: ``on_deadline`` says whether it expires or is rejected; ``reminders``, times after asking at which
        the destinations are told again; ``escalate``, who may decide too when nobody has; ``hours``, the working hours
        in which all these times run.

        What a policy of the deployment asks comes on top of this, and is never replaced by it.

        Raises:
            TypeError: an argument of another type, or a context without JSON.
            ValueError: an argument that does not do.
        """
        return cls(gate, **options)


def text(name: str, value: object) -> str | None:
    """A text that any channel and store can take.

    Raises:
        TypeError: it is no string.
        ValueError: it holds a NUL or half a surrogate pair.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name}: a string, not {value.__class__.__name__}")
    if "\0" in value:
        raise ValueError(f"{name}: holds a NUL character")
    value.encode()
    return value


def destinations(value: object) -> tuple[Destination, ...]:
    """One destination or several, as a tuple.

    Raises:
        TypeError: something in it is no destination.
    """
    if value is None:
        return ()
    if isinstance(value, Email | Slack | Webhook):
        return (value,)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(one for item in value for one in destinations(item))
    raise TypeError(f'destination: Email("ana@example.com") or the like, not {value.__class__.__name__}')


def _gate(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"gate: a string, not {value.__class__.__name__}")
    try:
        return _GATE.validate_python(value)
    except ValidationError:
        raise ValueError(
            f"gate: {value!r:.120} is no name for a gate: 1 to 100 letters, digits or . _ : - after a letter or digit"
        ) from None


def _plain_json(value: object) -> Any:
    try:
        return from_json(to_json(value), allow_inf_nan=False)
    except ValueError as error:
        raise TypeError(f"context: has no JSON: {error}") from error


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expires_in: a timedelta or seconds, not {value.__class__.__name__}")
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"expires_in: {value} is no time that can pass")
    return float(value)
