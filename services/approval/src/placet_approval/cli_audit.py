"""``placet audit``: what an auditor asks of the database, with a role that may only read."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import asyncpg
import typer

from placet_approval.chain import FIRST, Place
from placet_runtime.cli import run
from placet_runtime.hosts import Hosts

if TYPE_CHECKING:
    from placet_approval.domain import Finding

commands = typer.Typer(help="The audit: its head, whether it is whole, and what is in it.", no_args_is_help=True)

DatabaseUrl = Annotated[
    str, typer.Option(envvar="PLACET_DATABASE_URL", help="Postgres, as a role that may read the schema `approval`.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


@commands.command("head")
def show_head(database_url: DatabaseUrl, as_json: AsJson = False) -> None:
    """Print the signed head of the chain. Keep it somewhere else: `verify --head` finds what was cut off since."""
    from placet_approval.handlers import sealing

    async def work() -> None:
        async with _connection(database_url) as conn:
            head = await sealing.head(conn)
        if as_json:
            typer.echo(json.dumps(asdict(head), default=str))
        else:
            typer.echo(head.seal or "placet: nothing is sealed yet", err=head.seal is None)
        if head.seal is None:
            raise typer.Exit(1)

    run(work())


@commands.command("verify")
def verify_audit(  # noqa: PLR0917, each an option of the command
    database_url: DatabaseUrl,
    verify_keys: Annotated[
        str | None,
        typer.Option(envvar="PLACET_VERIFY_KEYS", help="The public keys, present and past: a JWK, or a set."),
    ] = None,
    signing_key: Annotated[
        str | None, typer.Option(envvar="PLACET_SIGNING_KEY", help="Instead: the private key, as the service has it.")
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(help="A head that was kept: a file of seals, heads or logs; or a seal itself.")
    ] = None,
    grace: Annotated[float, typer.Option(min=0, help="Seconds that a new row may be without a seal.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Walk the whole audit. Exit code 1, with a line for each finding, if something is wrong."""
    from placet_approval.handlers import verifying
    from placet_runtime.receipts import Verifier, public_key

    try:
        if verify_keys is None and signing_key is None:
            raise typer.BadParameter("name the public keys: PLACET_VERIFY_KEYS")
        verifier = Verifier(verify_keys or public_key(signing_key or ""))
    except ValueError as error:
        raise typer.BadParameter(f"PLACET_VERIFY_KEYS: {error}") from error
    heads = [seal for each in head or () for seal in _seals(each)]
    report = verifying.Report()

    async def work() -> int:
        found = 0
        async with _connection(database_url) as conn:
            async for finding in verifying.verify(conn, verifier, heads, timedelta(seconds=grace), report):
                found += 1
                typer.echo(json.dumps(asdict(finding)) if as_json else _line(finding))
        return found

    found = run(work())
    facts = {"findings": found, **asdict(report)}
    if as_json:
        typer.echo(json.dumps(facts, default=str))
    else:
        began = f"{report.began:%Y-%m-%d %H:%M:%S}Z" if report.began else "an unknown time"
        typer.echo(
            f"{found} findings in {report.rows} rows under {report.seals} seals, {report.unsealed} of them not sealed"
            f" yet; every transition since {began}"
        )
    if found:
        raise typer.Exit(1)


@commands.command("export")
def export_audit(
    database_url: DatabaseUrl,
    after: Annotated[str | None, typer.Option(help="Go on behind this `place`, the last one of an export.")] = None,
) -> None:
    """Write all entries to standard output, the oldest first: JSON, one object a line."""
    from placet_approval.store import audit

    place = _place(after)

    async def work() -> None:
        async with _connection(database_url) as conn:
            behind = place
            while rows := await audit.settled(conn, behind, 500):
                for row in rows:
                    for entry in json.loads(row.entries):
                        line = {"place": f"{row.position}.{row.id}", "at": row.at.isoformat(), **entry}
                        typer.echo(json.dumps(line, ensure_ascii=False))
                behind = rows[-1].place

    run(work())


@asynccontextmanager
async def _connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A transaction that sees one state of the database, takes its time, and changes nothing."""
    from placet_runtime.postgres import session_settings

    settings = session_settings("approval", "placet audit")
    settings |= {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "enable_seqscan": "on"}
    conn = await Hosts(database_url).connect(server_settings=settings)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            yield conn
    finally:
        await conn.close()


def _seals(given: str) -> list[str]:
    """The seals in a file, or the one that is given: in JSON objects, one a line, or as they are."""
    text = given
    try:
        if Path(given).is_file():
            text = Path(given).read_text("utf-8")
    except OSError:  # too long for a name
        pass
    seals: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            found = json.loads(line)
        except ValueError:
            found = {"seal": line}
        if isinstance(found, dict) and isinstance(found.get("seal"), str):
            seals.append(found["seal"])
    if not seals:
        raise typer.BadParameter(f"there is no seal in {given[:100]!r}")
    return seals


def _place(text: str | None) -> Place:
    if text is None:
        return FIRST
    position, _, id = text.partition(".")
    if not (position.isdecimal() and id.isdecimal()):
        raise typer.BadParameter("a place is two numbers with a point between, as an export has it")
    return int(position), int(id)


def _line(finding: "Finding") -> str:
    return f"{finding.problem}: {finding.where}: {finding.detail}"
