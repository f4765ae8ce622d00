"""The command ``placet``. Its sub-commands come from the packages that are installed beside this one."""

import sys
from importlib.metadata import entry_points

import typer

from placet.errors import CommandError

GROUP = "placet.commands"  # entry points, each a `typer.Typer`

app = typer.Typer(help="Durable human approval for Python workflows.", no_args_is_help=True, add_completion=False)


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
