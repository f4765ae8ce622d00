"""The ledger keeps what was written, also of many at once, and of those who die while they write."""

from pathlib import Path

from chaos.ledger import Ledger, read


def test_keeps(tmp_path: Path) -> None:
    """Effects and entries come back in order, whoever wrote them; no two effects are alike."""
    one, other = Ledger(tmp_path / "ledger"), Ledger(tmp_path / "ledger")
    first = one.effect("run", "before")
    other.enter("run", "approval", "approved")
    second = one.effect("run", "before")

    lines = list(read(tmp_path / "ledger"))

    assert first != second
    assert [(line.kind, line.run_id, line.name, line.detail) for line in lines] == [
        ("effect", "run", "before", first),
        ("entered", "run", "approval", "approved"),
        ("effect", "run", "before", second),
    ]


def test_unfinished_line(tmp_path: Path) -> None:
    """A line that was not finished is no line."""
    Ledger(tmp_path / "ledger").enter("run", "approval", "approved")
    with (tmp_path / "ledger").open("a") as file:
        file.write('{"kind": "eff')

    assert len(list(read(tmp_path / "ledger"))) == 1
