"""The digest of what a decider is shown; decisions and receipts are bound to it."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, without white space, in UTF-8: equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def digest(value: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON of a value."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


def review_digest(
    *,
    run_id: str,
    workflow: str,
    version: int,
    gate: str,
    title: str | None,
    message: str | None,
    context: Any,
    input: Any,
) -> str:
    """The digest over all that a decider reviews before a decision."""
    return digest(
        {
            "runId": run_id,
            "workflow": workflow,
            "version": version,
            "gate": gate,
            "title": title,
            "message": message,
            "context": context,
            "input": input,
        }
    )
