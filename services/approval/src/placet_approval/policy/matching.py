"""Policies of the deployment, and which of them are about an approval."""

from typing import Annotated

from pydantic import Field, StringConstraints

from placet_contracts.base import Model
from placet_contracts.events import GateName, Version, WorkflowName
from placet_contracts.policies import Approver, Policy

PolicyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class Match(Model, extra="forbid"):
    """What a policy is about. Whatever is left out, it is about all of them."""

    workflow: WorkflowName | None = None
    version: Version | None = None
    gate: GateName | None = None


def approvers(policy: Policy) -> set[Approver]:
    """Everybody whom a policy names, at once or in time."""
    named = {approver for stage in policy.stages for quorum in stage.quorums for approver in quorum.approvers}
    return named | {approver for escalation in policy.escalations for approver in escalation.to}


class DeploymentPolicy(Policy):
    """A policy of the deployment, by name: what it is about, and what it asks there."""

    name: PolicyName
    match: Match = Field(default_factory=Match)

    def is_about(self, workflow: str, version: int, gate: str) -> bool:
        about = self.match
        return about.workflow in (None, workflow) and about.version in (None, version) and about.gate in (None, gate)
