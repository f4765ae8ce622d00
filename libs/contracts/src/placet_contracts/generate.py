"""Writes the contracts' generated files: a JSON Schema for each event, and an AsyncAPI 3 document.

``python -m placet_contracts.generate`` writes them; with ``--check`` it only says which are stale, and exits 1.
"""

import json
import sys
from pathlib import Path
from typing import Any

from placet_contracts.cloudevents import BATCH, ONE
from placet_contracts.events import EVENTS, Event
from placet_contracts.topology import PUBLISHERS, SERVICES, SUBSCRIBERS, Service

FOLDER = Path(__file__).parents[2]


def files() -> dict[Path, str]:
    """Every generated file with its content."""
    made = {FOLDER / "schemas" / f"{type}.json": _dump(_schema(event)) for type, event in EVENTS.items()}
    made[FOLDER / "asyncapi.json"] = _dump(_asyncapi())
    return made


def main(arguments: list[str]) -> int:
    """Write, or check; an exit code."""
    stale = [path for path, content in files().items() if not path.exists() or path.read_text("utf-8") != content]
    for path in stale:
        print(f"{'stale' if '--check' in arguments else 'written'}: {path.relative_to(FOLDER)}")
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files()[path], "utf-8")
    return 1 if stale and "--check" in arguments else 0


def _schema(event: type[Event]) -> dict[str, Any]:
    """The schema of the event in its envelope, as it stands on the wire."""
    data = event.model_json_schema(by_alias=True, mode="validation")
    definitions = data.pop("$defs", {})
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event.type,
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {"const": event.type},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": data,
        },
    }
    if definitions:
        schema["$defs"] = definitions
    return schema


def _asyncapi() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for type, event in EVENTS.items():
        messages[type] = {
            "name": type,
            "contentType": ONE,
            "summary": (event.__doc__ or "").strip().splitlines()[0],
            "payload": {"$ref": f"schemas/{type}.json"},
        }
        channels[type] = {
            "address": type,
            "description": f"One event ({ONE}) or many ({BATCH}) in one message.",
            "messages": {type: {"$ref": f"#/components/messages/{type}"}},
            "bindings": {
                "amqp": {"is": "routingKey", "exchange": {"name": "placet", "type": "topic", "durable": True}}
            },
        }
        for service in SERVICES:
            operations |= _operations(type, service)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Placet events",
            "version": "1",
            "description": "CloudEvents 1.0 in structured JSON on one topic exchange; the type is the routing key.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": ONE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _operations(type: str, service: Service) -> dict[str, Any]:
    made = {}
    for action, verb, services in (("send", "sends", PUBLISHERS[type]), ("receive", "receives", SUBSCRIBERS[type])):
        if service in services:
            made[f"{service}.{verb}.{type}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{type.replace('/', '~1')}"},
                "summary": f"The {service} service {verb} it.",
            }
    return made


def _dump(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
