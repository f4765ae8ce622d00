"""``placet migrate`` and ``placet quarantine``: what operators do to any service's schema."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

import asyncpg
import typer

from placet_contracts.topology import SERVICES, Service
from placet_runtime import migrations, quarantine
from placet_runtime.hosts import Hosts
from placet_runtime.postgres import session_settings

T = TypeVar("T")

commands = typer.Typer()
quarantine_commands = typer.Typer(help="Messages that could not be read or were refused.", no_args_is_help=True)
commands.add_typer(quarantine_commands, name="quarantine")

DatabaseUrl = Annotated[str, typer.Option(envvar="PLACET_DATABASE_URL", help="Postgres, as the service's own role.")]
OneService = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do what a command does; what the database has against it is one line, and exit code 2."""
    try:
        return asyncio.run(work)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        typer.echo("placet: the schema is not there yet: run `placet migrate` first", err=True)
        raise typer.Exit(2) from error
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        ValueError,
        OSError,
        TimeoutError,
    ) as error:
        typer.echo(f"placet: the database: {str(error) or type(error).__name__}", err=True)
        raise typer.Exit(2) from error


@commands.command()
def migrate(
    database_url: DatabaseUrl,
    services: Annotated[list[str] | None, typer.Argument(help="Which services' schemas; all if none is named.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something is outstanding.")] = False,
) -> None:
    """Bring the schemas up to date. Safe to run from many places at once."""
    outstanding = 0
    for service in [_service(name) for name in services or SERVICES]:
        work = migrations.pending if check else migrations.apply
        names = run(work(database_url, service))
        outstanding += len(names)
        typer.echo(f"{service}: {', '.join(names) or 'up to date'}")
    if check and outstanding:
        raise typer.Exit(1)


@quarantine_commands.command("list")
def list_quarantined(database_url: DatabaseUrl, service: OneService, limit: int = 50) -> None:
    """Show the latest refused messages of a service, with the reason."""

    async def work() -> None:
        conn = await _connect(database_url, service)
        for item in await quarantine.newest(conn, limit):
            typer.echo(
                f"{item.id}  {item.created_at:%Y-%m-%d %H:%M:%S}Z  {item.type}  {len(item.body)} bytes  {item.reason}"
            )
        await conn.close()

    run(work())


@quarantine_commands.command("show")
def show_quarantined(database_url: DatabaseUrl, service: OneService, id: UUID) -> None:
    """Write a refused message's bytes to standard output."""

    async def work() -> bytes | None:
        conn = await _connect(database_url, service)
        body = await conn.fetchval("SELECT body FROM quarantine WHERE id = $1", id)
        await conn.close()
        return cast("bytes | None", body)

    _print_body(run(work()), id)


@quarantine_commands.command("retry")
def retry_quarantined(database_url: DatabaseUrl, service: OneService, id: UUID) -> None:
    """Have the service take a refused message in again, within seconds; if it is refused once more, it stays."""

    async def work() -> bool:
        conn = await _connect(database_url, service)
        try:
            return await quarantine.retry(conn, id)
        finally:
            await conn.close()

    if not run(work()):
        typer.echo(f"placet: no message {id} in quarantine", err=True)
        raise typer.Exit(1)
    typer.echo("it will be taken in again")


@quarantine_commands.command("discard")
def discard_quarantined(database_url: DatabaseUrl, service: OneService, id: UUID) -> None:
    """Delete a refused message, and write its bytes to standard output a last time."""

    async def work() -> bytes | None:
        conn = await _connect(database_url, service)
        item = await quarantine.take(conn, id)
        await conn.close()
        return item.body if item else None

    _print_body(run(work()), id)


def _print_body(body: bytes | None, id: UUID) -> None:
    if body is None:
        typer.echo(f"placet: no message {id} in quarantine", err=True)
        raise typer.Exit(1)
    typer.get_binary_stream("stdout").write(body + b"\n")


def _service(name: str) -> Service:
    if name not in SERVICES:
        raise typer.BadParameter(f"unknown service {name!r}: one of {', '.join(SERVICES)}")
    return name


async def _connect(database_url: str, service: str) -> "asyncpg.Connection[asyncpg.Record]":
    settings = session_settings(_service(service), "placet quarantine")
    return await Hosts(database_url).connect(server_settings=settings)
