"""The transitions that docs/architecture.md draws, for tests that hold the code to them."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def transitions(of: str) -> set[tuple[str | None, str]]:
    """Edges of ``a run`` or ``an approval``, as (from, to); ``None`` is the beginning."""
    text = _PAGE.read_text("utf-8")
    [diagram] = re.findall(rf'stateDiagram-v2\s+state "{of}" as \w+ {{(.*?)\n    }}', text, re.DOTALL)
    edges = re.findall(r"(\[\*\]|\w+) --> (\w+)", diagram)
    return {(None if begin == "[*]" else begin, end) for begin, end in edges}
