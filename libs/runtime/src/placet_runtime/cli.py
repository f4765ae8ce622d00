"""``placet migrate``, ``placet retention`` and ``placet quarantine``: what operators do to any service's schema."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from importlib.metadata import entry_points
from typing import Annotated, Any, TypeVar
from uuid import UUID

import asyncpg
import typer
from pydantic import TypeAdapter, ValidationError

from placet_contracts.topology import SERVICES, Service
from placet_runtime import migrations, quarantine
from placet_runtime.hosts import Hosts
from placet_runtime.postgres import session_settings
from placet_runtime.quarantine import Chosen
from placet_runtime.retention import GROUP, Due, Rule
from placet_runtime.settings import Duration

T = TypeVar("T")

_BATCH = 1000

commands = typer.Typer()
quarantine_commands = typer.Typer(help="Messages that could not be read or were refused.", no_args_is_help=True)
commands.add_typer(quarantine_commands, name="quarantine")

DatabaseUrl = Annotated[str, typer.Option(envvar="PLACET_DATABASE_URL", help="Postgres, as the service's own role.")]
OneMessage = Annotated[UUID | None, typer.Argument(help="A message; or say which by options.")]
All = Annotated[bool, typer.Option("--all", help="All messages.")]
OfType = Annotated[str | None, typer.Option(help="Those of an event type.")]
WithReason = Annotated[str | None, typer.Option(help="Those whose reason contains this text.")]
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


@commands.command()
def retention(
    database_url: DatabaseUrl,
    service: OneService,
    keep: Annotated[str, typer.Option(help="How long things are to be kept after their end, e.g. P90D or 3600.")],
) -> None:
    """Show what a service would delete now, if it kept things for so long. Deletes nothing."""

    async def work() -> list[tuple[str, Due]]:
        conn = await _connect(database_url, service)
        try:
            return [(rule.what, await rule.due(conn, span)) for rule in rules]
        finally:
            await conn.close()

    try:
        span = TypeAdapter(Duration).validate_python(keep)
    except ValidationError as error:
        raise typer.BadParameter("a span of time: seconds, P90D or HH:MM:SS") from error
    [found] = entry_points(group=GROUP, name=_service(service))
    rules: Sequence[Rule] = found.load()
    for what, due in run(work()):
        since = f", the oldest from {due.oldest:%Y-%m-%d %H:%M}Z" if due.oldest else ""
        typer.echo(f"{what}: {due.rows}{since}")


@quarantine_commands.command("list")
def list_quarantined(
    database_url: DatabaseUrl,
    service: OneService,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    before: Annotated[UUID | None, typer.Option(help="Go on behind this one, the last that was shown.")] = None,
) -> None:
    """Show the latest refused messages of a service, with the reason."""

    async def work() -> None:
        conn = await _connect(database_url, service)
        for item in await quarantine.newest(conn, limit, before=before):
            at = f"{item.created_at:%Y-%m-%d %H:%M:%S}Z"
            typer.echo(f"{item.id}  {at}  {item.type}  {item.size} bytes  {item.reason}")
        await conn.close()

    run(work())


@quarantine_commands.command("summary")
def summarise_quarantined(
    database_url: DatabaseUrl, service: OneService, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20
) -> None:
    """Count refused messages by their reason, the most frequent first."""

    async def work() -> None:
        conn = await _connect(database_url, service)
        for kind in await quarantine.kinds(conn, limit):
            typer.echo(f"{kind.messages:>8}  {kind.type}  {kind.reason}")
        await conn.close()

    run(work())


@quarantine_commands.command("show")
def show_quarantined(database_url: DatabaseUrl, service: OneService, id: UUID) -> None:
    """Write a refused message's bytes to standard output."""

    async def work() -> bytes | None:
        conn = await _connect(database_url, service)
        found = await quarantine.body(conn, id)
        await conn.close()
        return found

    _print_body(run(work()), id)


@quarantine_commands.command("retry")
def retry_quarantined(
    database_url: DatabaseUrl,
    service: OneService,
    id: OneMessage = None,
    *,
    everything: All = False,
    type: OfType = None,
    reason: WithReason = None,
) -> None:
    """Have the service take refused messages in again, within seconds; what is refused once more stays."""
    if (which := _several(id, everything, type, reason)) is not None:
        typer.echo(f"{_in_batches(database_url, service, which, quarantine.retry)} will be taken in again")
        return
    assert id is not None

    async def work() -> bool:
        conn = await _connect(database_url, service)
        try:
            return bool(await quarantine.retry(conn, [id]))
        finally:
            await conn.close()

    if not run(work()):
        typer.echo(f"placet: no message {id} in quarantine", err=True)
        raise typer.Exit(1)
    typer.echo("it will be taken in again")


@quarantine_commands.command("discard")
def discard_quarantined(
    database_url: DatabaseUrl,
    service: OneService,
    id: OneMessage = None,
    *,
    everything: All = False,
    type: OfType = None,
    reason: WithReason = None,
) -> None:
    """Delete refused messages; the bytes of a single one are written to standard output a last time."""
    if (which := _several(id, everything, type, reason)) is not None:
        typer.echo(f"{_in_batches(database_url, service, which, quarantine.discard)} discarded")
        return
    assert id is not None

    async def work() -> bytes | None:
        conn = await _connect(database_url, service)
        taken = await quarantine.take(conn, id)
        await conn.close()
        return taken

    _print_body(run(work()), id)


def _several(id: UUID | None, everything: bool, type: str | None, reason: str | None) -> Chosen | None:
    """Which messages are meant, where it is not a single one; what is meant must be said in one way."""
    if sum((id is not None, everything, type is not None or reason is not None)) != 1:
        raise typer.BadParameter("name one message, or a --type or --reason, or say --all")
    return Chosen(type, reason) if id is None else None


def _in_batches(
    database_url: str,
    service: str,
    which: Chosen,
    batch: Callable[["asyncpg.Connection[asyncpg.Record]", Sequence[UUID]], Awaitable[int]],
) -> int:
    """Do something to all messages that are chosen, so many at a time that nobody waits for it; to how many."""

    async def work() -> int:
        conn = await _connect(database_url, service)
        try:
            ids = await quarantine.chosen(conn, which)
            return sum([await batch(conn, ids[at : at + _BATCH]) for at in range(0, len(ids), _BATCH)])
        finally:
            await conn.close()

    return run(work())


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
