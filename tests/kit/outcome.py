"""How the search for a server ends, and what it tells."""

import sys


class CannotBeHad(RuntimeError):
    """Raised when a server that the tests need cannot be had; the message says why."""


def say(text: str) -> None:
    """Tell whoever runs the tests."""
    print(f"tests: {text}", file=sys.stderr, flush=True)
