"""Policies as the text that people edit: JSON, and what does not fit in it."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from placet_approval import strict_json
from placet_approval.policy.matching import DeploymentPolicy

_WIDTH = 80

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
        strict_json.loads(text)
    except ValidationError as error:
        return [_problem(each) for each in error.errors(include_url=False, include_input=False)]
    except ValueError as error:
        return [Problem("", str(error))]
    return policy


def _problem(error: ErrorDetails) -> Problem:
    least = error.get("ctx", {}).get("min_length")
    known = {
        "missing": "is missing",
        "extra_forbidden": "there is no such field",
        "too_short": f"needs at least {least}",
        "value_error": error["msg"].removeprefix("Value error, "),
    }
    return Problem(".".join(map(str, error["loc"])), known.get(error["type"], error["msg"]))


def text_of(policy: DeploymentPolicy) -> str:
    """A policy as text, without what goes without saying. Read again, it is the same."""
    short = _written(policy.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True))
    if read(short) == policy:
        return short
    return _written(policy.model_dump(mode="json", by_alias=True, exclude_none=True))


def _written(facts: dict[str, Any]) -> str:
    first = {name: facts[name] for name in ("name", "match") if name in facts}
    return _json(_whole({**first, **facts}))


def _whole(value: Any) -> Any:
    """The same with whole numbers written as such: 60 seconds, not 60.0."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(value: Any, indent: str = "") -> str:
    """As people write it: what fits in a line stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name, ensure_ascii=False)}: {_json(each, deeper)}" for name, each in value.items()]
    else:
        parts = [_json(each, deeper) for each in value]
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    return f"{opens}\n" + ",\n".join(f"{deeper}{part}" for part in parts) + f"\n{indent}{closes}"
