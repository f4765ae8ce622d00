"""``placet executor``."""

from typing import Annotated

import typer

commands = typer.Typer()


@commands.command()
def executor(
    app: Annotated[
        str, typer.Argument(envvar="PLACET_APP", help="Your app, as module:attribute, e.g. myproject.workflows:app.")
    ],
) -> None:
    """Run an executor for your app's workflows."""
    from placet_executor.__main__ import main

    main(app)
