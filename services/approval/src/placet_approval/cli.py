"""``placet approval``, ``placet keys`` and ``placet secrets``; ``placet audit`` is beside it."""

import json
import secrets as random
from typing import Annotated, get_args

import asyncpg
import typer

from placet_approval import cli_audit
from placet_approval.domain import KeyNameTaken, Role
from placet_runtime.cli import run

commands = typer.Typer()
key_commands = typer.Typer(help="API keys: who may start, decide, read.", no_args_is_help=True)
commands.add_typer(key_commands, name="keys")
commands.add_typer(cli_audit.commands, name="audit")

DatabaseUrl = Annotated[
    str, typer.Option(envvar="PLACET_DATABASE_URL", help="Postgres, as the approval service's role.")
]
Name = Annotated[str, typer.Argument(help="Whose key it is; shown as the actor of what it does.")]


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


@key_commands.command("create")
def create_key(
    database_url: DatabaseUrl, name: Name, role: Annotated[str, typer.Option(help="|".join(get_args(Role)))]
) -> None:
    """Make a key and print it. It is not shown again."""
    from placet_approval.handlers import keys

    chosen: Role | None = next((known for known in get_args(Role) if known == role), None)
    if chosen is None:
        raise typer.BadParameter(f"unknown role {role!r}: one of {', '.join(get_args(Role))}")

    async def work() -> str:
        conn = await _connect(database_url)
        try:
            await _align(conn)
            return await keys.create(conn, name, chosen)
        finally:
            await conn.close()

    try:
        typer.echo(run(work()))
    except KeyNameTaken as error:
        typer.echo(f"placet: {error}", err=True)
        raise typer.Exit(2) from error


@key_commands.command("list")
def list_keys(database_url: DatabaseUrl, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List all keys, revoked ones too, without their secrets."""
    from placet_approval.store import keys

    async def work() -> list[keys.ApiKey]:
        conn = await _connect(database_url)
        try:
            return await keys.every(conn)
        finally:
            await conn.close()

    for key in run(work()):
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}Z" if key.revoked_at else "valid"
        facts = {"id": key.id, "name": key.name, "role": key.role, "state": state}
        typer.echo(json.dumps(facts) if as_json else f"{key.id}  {key.name:<24} {key.role:<9} {state}")


@key_commands.command("revoke")
def revoke_key(database_url: DatabaseUrl, name: Annotated[str, typer.Argument(help="The key's name or id.")]) -> None:
    """Revoke a key: its next request is refused."""
    from placet_approval.store import keys

    async def work() -> str | None:
        conn = await _connect(database_url)
        try:
            await _align(conn)
            return await keys.revoke(conn, name)
        finally:
            await conn.close()

    revoked = run(work())
    if revoked is None:
        typer.echo(f"placet: no valid key named {name!r}", err=True)
        raise typer.Exit(1)
    typer.echo(f"revoked {revoked}")


async def _connect(database_url: str) -> "asyncpg.Connection[asyncpg.Record]":
    from placet_runtime.hosts import Hosts
    from placet_runtime.postgres import session_settings

    return await Hosts(database_url).connect(server_settings=session_settings("approval", "placet keys"))


async def _align(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    """No service may have been here since the database was restored."""
    from placet_approval.store import audit

    async with conn.transaction():
        await audit.align(conn)
