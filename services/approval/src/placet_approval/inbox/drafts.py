"""Policies as the text that people edit: JSON, and what does not fit in it."""

from dataclasses import dataclass

from pydantic import ValidationError

from placet_approval.api import problems
from placet_approval.api.endpoints import require_one_meaning
from placet_approval.policy.matching import DeploymentPolicy

EXAMPLE = """{
  "name": "large-refunds",
  "match": {"workflow": "refund"},
  "separateRequester": true,
  "stages": [
    {"name": "finance", "when": "input.amount > 1000",
     "quorums": [{"approvers": ["group:finance"], "required": 2}]}
  ]
}"""


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not fit in a draft: where (``stages.0.quorums``, or empty), and why."""

    where: str
    why: str


def read(text: str) -> DeploymentPolicy | list[Problem]:
    """The policy that a text says, or all that does not fit in it."""
    try:
        policy = DeploymentPolicy.model_validate_json(text)
        require_one_meaning(text.encode())
    except ValidationError as error:
        return [Problem(each.field, each.message) for each in problems.invalid(error).errors or ()]
    except ValueError as error:
        return [Problem("", str(error))]
    return policy


def text_of(policy: DeploymentPolicy) -> str:
    """A policy as text, without what goes without saying. Read again, it is the same."""
    short = policy.model_dump_json(by_alias=True, exclude_defaults=True, exclude_none=True, indent=2)
    return short if read(short) == policy else policy.model_dump_json(by_alias=True, exclude_none=True, indent=2)
