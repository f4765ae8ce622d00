"""What it costs to import the library."""

import subprocess
import sys

import pytest

import placet


def test_importing_the_library_is_light() -> None:
    """Authors who only register workflows do not pay for HTTP, AMQP or the command line."""
    heavy = {"httpx2", "aio_pika", "typer"}
    code = f"import placet, sys; print(sorted({heavy} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout == "[]\n"


def test_everything_that_is_promised_is_there() -> None:
    """Each name of ``__all__`` can be had, and no other."""
    for name in placet.__all__:
        assert getattr(placet, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Plaset'"):
        placet.Plaset  # noqa: B018
