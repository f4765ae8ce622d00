"""The bugs that are planted still fit the product."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from chaos.planted import BUGS
from chaos.selftest import EXPECTED

_TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("name", BUGS)
def test_fits(name: str) -> None:
    """What a bug replaces is there, in a process that nobody else needs."""
    program = f"from chaos.planted import plant; plant({name!r})"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": str(_TESTS)})


def test_each_is_looked_for() -> None:
    """The self-test runs with each of them."""
    assert EXPECTED.keys() == BUGS.keys()
