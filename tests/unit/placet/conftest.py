"""What the library's tests share."""

from collections.abc import Iterator

import pytest
import structlog
from unit.placet.passes import Notes


@pytest.fixture
def notes() -> Notes:
    """A journal."""
    return Notes()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Handlers raise on purpose here."""
    with structlog.testing.capture_logs():
        yield
