"""What goes over the wire about policies."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field

from placet_approval.api.schemas import Progress, Request, Text, View
from placet_approval.domain import Status
from placet_approval.policy.matching import DeploymentPolicy
from placet_approval.policy.replay import Kind
from placet_contracts.base import Model
from placet_contracts.policies import Approver

Actor = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00]*$")]


def _user(value: str) -> str:
    if not value.startswith("user:"):
        raise ValueError("user:<handle>")
    return value


User = Annotated[Approver, AfterValidator(_user)]


class ExplainQuery(Request):
    """``actor``: ``user:ana``, ``key:ci`` and the like; without one, whoever asks."""

    actor: Actor | None = None


class Rule(View):
    """A condition as it came out when the approval opened; ``result`` is null where it could not be told."""

    source: str
    condition: str
    approves: bool
    result: bool | None
    error: str | None


class Coming(View):
    """A reminder or an escalation that is to come."""

    at: datetime
    kind: Literal["reminder", "escalation"]
    source: str
    approvers: list[str]


class Explanation(Model):
    """Whether somebody can decide on an approval and why, what it still needs, and what its time brings."""

    approval_id: UUID
    status: Status
    revision: int
    actor: str
    person: str | None  # the handle of whoever is behind the actor
    may_decide: bool
    reason: str | None
    why: str
    on_behalf_of: str | None
    progress: list[Progress]
    rules: list[Rule]
    expires_at: datetime | None
    on_deadline: Literal["expired", "rejected", "approved", "cancelled"]
    coming: list[Coming]


class Reassign(Request):
    """Puts ``to`` in the place of ``from`` wherever an approval names that."""

    from_: Approver = Field(alias="from")
    to: Approver
    comment: Text | None = None
    revision: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] | None = None


class Reevaluate(Request):
    """Asks on an open approval what author and policies ask now."""

    comment: Text | None = None


class PutPolicy(Request):
    """A policy to put in force. ``version``: that of the one it replaces, 0 for none; refused if it is another."""

    policy: DeploymentPolicy
    version: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None


class PolicyView(View):
    """A version of a policy of the deployment."""

    name: str
    version: int
    policy: DeploymentPolicy
    in_force: bool
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None


class PolicyList(Model):
    """Policies, or the versions of one."""

    items: list[PolicyView]


class TestPolicy(Request):
    """A draft to try on the last ``limit`` decided approvals that it is about."""

    __test__ = False  # no class of tests

    policy: DeploymentPolicy
    limit: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 1000


class Difference(Model):
    """How an approval would have gone otherwise."""

    approval_id: UUID
    workflow: str
    gate: str
    opened_at: datetime
    status: Status
    resolved_by: str
    kind: Kind
    why: str


class PolicyReport(Model):
    """What a draft would have changed; first what it would have let through that a person rejected.

    ``tried``: how many decided approvals there were to try it on.
    """

    tried: int
    differences: list[Difference]


class Delegate(Request):
    """Who stands in for whom, from when until when."""

    principal: User
    delegate: User
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class DelegationView(View):
    """Who stands in for whom."""

    id: UUID
    principal: str
    delegate: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    ended_at: datetime | None


class DelegationList(Model):
    """Those that are not over."""

    items: list[DelegationView]
