"""The author's library under a strict type checker."""

from pathlib import Path

import pytest
from mypy import api


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_library_is_typed_as_authors_see_it(tmp_path: Path) -> None:
    """Results of steps have their function's type, and misspelt options are errors."""
    here = Path(__file__).parent
    config = here.parents[1] / "pyproject.toml"

    report, errors, code = api.run(
        ["--config-file", str(config), "--cache-dir", str(tmp_path), str(here / "library.py")]
    )

    assert code == 0, report + errors
