"""The OpenAPI 3.1 document, made from the table of operations."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from placet_approval.api.endpoints import Endpoint
from placet_approval.api.schemas import Problem

_REF = "#/components/schemas/{model}"
_BEARER: list[dict[str, list[str]]] = [{"apiKey": []}]


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    models: list[tuple[type[BaseModel], Any]] = [(Problem, "serialization")]
    for endpoint in endpoints:
        models.append((endpoint.response, "serialization"))
        if endpoint.body is not None:
            models.append((endpoint.body, "validation"))
    refs, definitions = models_json_schema(models, by_alias=True, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, refs)
        paths.setdefault(_path(endpoint), {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Placet",
            "version": "1",
            "summary": "Durable human approval: start runs, see what waits, decide.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
        "security": _BEARER,
    }


def _operation(endpoint: Endpoint, refs: Any) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": refs[Problem, "serialization"]}}
    answer = {"application/json": {"schema": refs[endpoint.response, "serialization"]}}
    responses: dict[str, Any] = {str(endpoint.status): {"description": "Done", "content": answer}}
    for status in sorted({401, 403, 503, *endpoint.problems}):
        responses[str(status)] = {"description": _MEANINGS[status], "content": problem}
    operation: dict[str, Any] = {
        "operationId": endpoint.handle.__name__,
        "summary": (endpoint.handle.__doc__ or "").strip(),
        "parameters": _parameters(endpoint),
        "responses": responses,
    }
    if endpoint.body is not None:
        body = {"application/json": {"schema": refs[endpoint.body, "validation"]}}
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", endpoint.path)
    ]
    if endpoint.query is not None:
        properties = endpoint.query.model_json_schema(by_alias=True)["properties"]
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    parameters += [
        {"name": name, "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
        for name in endpoint.headers
    ]
    return parameters


def _path(endpoint: Endpoint) -> str:
    return re.sub(r"{(\w+):\w+}", r"{\1}", endpoint.path)


_MEANINGS = {
    401: "No valid API key",
    403: "The key's role may not do this",
    404: "Not there",
    409: "It is otherwise already",
    410: "It ended long ago, and was deleted",
    413: "Too large",
    422: "The request does not fit",
    503: "Too many starts at a time, or the database does not answer; see Retry-After",
}
