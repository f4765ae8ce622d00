"""What ``placet dev --reload`` starts again for."""

from pathlib import Path

from watchfiles import Change

from placet_standalone.watching import OwnCode


def test_a_virtual_environment_is_not_the_authors_code(tmp_path: Path) -> None:
    """Whatever its folder is called; one that is the folder of the project itself hides nothing."""
    (tmp_path / "pyvenv.cfg").touch()
    (tmp_path / "env" / "lib").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    mine = OwnCode(tmp_path)

    assert mine(Change.modified, str(tmp_path / "workflows.py"))
    assert mine(Change.modified, str(tmp_path / "package" / "workflows.py"))
    assert not mine(Change.added, str(tmp_path / "env" / "lib" / "pip.py"))
    assert not mine(Change.modified, str(tmp_path / "notes.txt"))
