"""``placet notifier``."""

import typer

commands = typer.Typer()


@commands.command()
def notifier() -> None:
    """Run the notifier: it sends e-mail, Slack messages and webhooks."""
    from placet_notifier.__main__ import main

    main()
