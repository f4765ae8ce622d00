"""Which changes of files ``placet dev --reload`` starts again for."""

from pathlib import Path

from watchfiles import Change, PythonFilter


class OwnCode(PythonFilter):
    """Python files below a folder, but none of a virtual environment in it, whatever that is called: installing a
    package writes hundreds of them."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def __call__(self, change: Change, path: str) -> bool:
        """Whether to start again for this one."""
        inner = Path(path).relative_to(self._root).parents
        return super().__call__(change, path) and not any(
            (self._root / each / "pyvenv.cfg").exists() for each in list(inner)[:-1]
        )
