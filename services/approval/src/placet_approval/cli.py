"""The approval service's commands: ``placet approval``, ``secrets``, ``users``, ``groups``, ``keys`` and more."""

import secrets as random

import typer

from placet_approval import cli_audit
from placet_approval.commands import apply, groups, keys, policies, users

commands = typer.Typer()
commands.add_typer(users.commands, name="users")
commands.add_typer(groups.commands, name="groups")
commands.add_typer(keys.commands, name="keys")
commands.add_typer(policies.commands, name="policy")
commands.add_typer(cli_audit.commands, name="audit")
commands.command("apply")(apply.apply)
commands.command("login-link")(users.login_link)


@commands.command()
def approval() -> None:
    """Run the approval service."""
    from placet_approval.__main__ import main

    main()


@commands.command()
def secrets() -> None:
    """Print fresh secrets for a deployment, as lines for an env file."""
    from placet_runtime.receipts import generate_key, public_key

    key = generate_key()
    for name in (
        "POSTGRES",
        "APPROVAL_DB",
        "EXECUTOR_DB",
        "NOTIFIER_DB",
        "RABBITMQ",
        "APPROVAL_MQ",
        "EXECUTOR_MQ",
        "NOTIFIER_MQ",
        "STARTER_MQ",
    ):
        typer.echo(f"{name}_PASSWORD={random.token_hex(16)}")
    typer.echo(f"PLACET_ADMIN_KEY={random.token_urlsafe(32)}")
    typer.echo(f"PLACET_SIGNING_KEY={key}")
    typer.echo(f"PLACET_VERIFY_KEYS={public_key(key)}")
