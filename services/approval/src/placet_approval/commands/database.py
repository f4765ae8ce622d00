"""What commands that look into the approval service's database share."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from placet_approval.domain import ApprovalError
from placet_approval.store import audit
from placet_runtime.cli import run
from placet_runtime.hosts import Hosts
from placet_runtime.postgres import Connection, session_settings

T = TypeVar("T")

DatabaseUrl = Annotated[
    str, typer.Option(envvar="PLACET_DATABASE_URL", help="Postgres, as the approval service's role.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def work(database_url: str, do: Callable[[Connection], Awaitable[T]]) -> T:
    """Do something on a connection; what is refused is one line, and exit code 2."""

    async def whole() -> T:
        settings = session_settings("approval", "placet command")
        conn = await Hosts(database_url).connect(server_settings=settings)
        try:
            async with conn.transaction():  # no service may have been here since the database was restored
                await audit.align(conn)
            return await do(conn)
        finally:
            await conn.close()

    try:
        return run(whole())
    except ApprovalError as error:
        typer.echo(f"placet: {error}", err=True)
        raise typer.Exit(2) from error
