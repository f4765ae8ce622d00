"""The command line, put together from installed packages."""

import sys
from importlib.metadata import EntryPoint, version

import pytest
import typer

import placet
from placet import cli
from placet.errors import AppError

commands = typer.Typer()
group = typer.Typer()
commands.add_typer(group, name="group")


@commands.command()
def fails() -> None:
    raise AppError("myproject has no 'app'")


@commands.command()
def works() -> None:
    typer.echo("done")


@group.command()
def nested() -> None:
    typer.echo("nested")


@group.command()
def other() -> None:
    typer.echo("other")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs ``placet`` with this module's commands, and with those of a package that does not import."""
    sys.modules["placet_test_commands"] = sys.modules[__name__]
    found = [
        EntryPoint("broken", "nosuchpackage.cli:commands", cli.GROUP),
        EntryPoint("test", "placet_test_commands:commands", cli.GROUP),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda *, group: found)
    monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
    monkeypatch.setattr(cli.app, "registered_groups", list(cli.app.registered_groups))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["placet", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, out, err

    yield run
    del sys.modules["placet_test_commands"]


def test_commands_come_from_packages(run) -> None:  # type: ignore[no-untyped-def]
    """Commands and groups of an installed package are there beside our own."""
    assert run("works")[:2] == (0, "done\n")
    assert run("group", "nested")[:2] == (0, "nested\n")


def test_a_broken_package_costs_only_its_own_commands(run) -> None:  # type: ignore[no-untyped-def]
    """It is named on standard error, and the others work."""
    code, out, err = run("version")

    assert (code, out) == (0, f"{placet.__version__}\n")
    assert "the commands of nosuchpackage.cli:commands do not load" in err


def test_what_a_user_can_mend_is_told_in_one_line(run) -> None:  # type: ignore[no-untyped-def]
    """No traceback for a misspelt name."""
    code, _, err = run("fails")

    assert code == 2
    assert err.splitlines()[-1] == "placet: myproject has no 'app'"


def test_a_misspelt_variable_ends_every_command(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """Before it does anything; the help is still to be had."""
    monkeypatch.setenv("PLACET_DATABASE_ULR", "postgres://placet@db/placet")

    code, out, err = run("works")

    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == ("placet: PLACET_DATABASE_ULR: no such variable; did you mean PLACET_DATABASE_URL?")
    assert run("--help")[0] == 0


def test_the_version_is_to_be_had_as_an_option(run) -> None:  # type: ignore[no-untyped-def]
    """As with most commands."""
    assert run("--version")[:2] == (0, f"{placet.__version__}\n")


def test_the_version_is_the_packages() -> None:
    """What the library says of itself is what is installed."""
    assert placet.__version__ == version("placet")
