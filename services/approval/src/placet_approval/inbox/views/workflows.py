"""What can be started: the list of workflows, and one of them with its versions."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from placet_approval.handlers import workflows
from placet_approval.inbox.visits import Visit, shows


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an input, as a table shows it."""

    name: str
    kind: str
    required: bool
    description: str | None


async def every(visit: Visit) -> Response:
    """All workflows."""
    found = await workflows.list_workflows(visit.deps)
    return visit.page("workflows/list.html", section="workflows", workflows=found)


async def one(visit: Visit) -> Response:
    """One workflow."""
    name: str = visit.request.path_params["name"].replace("\0", "")
    found = await workflows.get_workflow(visit.deps, name)
    return visit.page("workflows/one.html", section="workflows", workflow=found, fields=fields)


def fields(schema: dict[str, Any]) -> list[Field]:
    """The fields of an object that a JSON Schema describes; nothing for one that describes something else."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    required = schema.get("required", ())
    return [
        Field(name, _kind(each), name in required, each.get("description"))
        for name, each in properties.items()
        if isinstance(each, dict)
    ]


def _kind(schema: dict[str, Any]) -> str:
    """What values a schema takes, in a word or a few."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema or "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(_kind(each) for each in options)
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema['items'])}" if schema.get("items") else "list"
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return str(schema.get("format", text))


ROUTES = [
    Route("/workflows", shows(every), methods=["GET"]),
    Route("/workflows/{name}", shows(one), methods=["GET"]),
]
