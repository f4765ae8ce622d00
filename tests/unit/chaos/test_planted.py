"""The bugs that are planted still fit the product."""

import os
import subprocess
import sys
from pathlib import Path

from chaos.planted import BUGS
from chaos.selftest import EXPECTED

_TESTS = Path(__file__).parents[2]


def test_they_fit() -> None:
    """What the bugs replace is there; in a process that nobody else needs."""
    program = "from chaos.planted import BUGS, plant\nfor name in BUGS: plant(name)"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": str(_TESTS)})


def test_each_is_looked_for() -> None:
    """The self-test runs with each of them."""
    assert EXPECTED.keys() == BUGS.keys()
