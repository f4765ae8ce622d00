"""Writes the OpenAPI document; with ``--check`` only says whether it is stale, and then exits 1."""

import json
import sys
from pathlib import Path

from placet_approval.api import openapi
from placet_approval.api.operations import ENDPOINTS

FILE = Path(__file__).parents[2] / "openapi.json"


def main(arguments: list[str]) -> int:
    """Write, or check; an exit code."""
    content = json.dumps(openapi.document(ENDPOINTS), indent=2, ensure_ascii=False) + "\n"
    if FILE.exists() and FILE.read_text("utf-8") == content:
        return 0
    print(f"{'stale' if '--check' in arguments else 'written'}: {FILE.name}")
    if "--check" in arguments:
        return 1
    FILE.write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
