"""The command ``placet``. Its sub-commands come from the packages that are installed beside this one."""

import os
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from placet.errors import CommandError
from placet_contracts import environment

GROUP = "placet.commands"  # entry points, each a `typer.Typer`

app = typer.Typer(help="Durable human approval for Python workflows.", no_args_is_help=True, add_completion=False)


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def before(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Refuse an environment with a variable that is misspelt: its command would do something else than is meant."""
    if mistakes := environment.mistakes(os.environ):
        raise CommandError("\nplacet: ".join(mistakes))


@app.command()
def version() -> None:
    """Print the version."""
    import placet

    typer.echo(placet.__version__)


def main() -> None:
    """Run the command line."""
    discover()
    try:
        app()
    except CommandError as error:
        typer.echo(f"placet: {error}", err=True)
        sys.exit(2)


def discover() -> None:
    """Take in the commands of installed packages. One that does not import is named, and costs only its own."""
    for entry_point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            commands: typer.Typer = entry_point.load()
        except Exception as error:
            typer.echo(f"placet: the commands of {entry_point.value} do not load: {error!r}", err=True)
            continue
        app.registered_commands.extend(commands.registered_commands)
        app.registered_groups.extend(commands.registered_groups)


if __name__ == "__main__":
    main()
