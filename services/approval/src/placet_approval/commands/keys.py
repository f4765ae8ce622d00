"""``placet keys``."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, get_args

import typer

from placet_approval.commands.database import AsJson, DatabaseUrl, work
from placet_approval.domain import Role

commands = typer.Typer(help="API keys: who may start, decide, read.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the history shows of what it does: key:<name>.")]


@commands.command("create")
def create(
    database_url: DatabaseUrl,
    name: Name,
    role: Annotated[str, typer.Option(help="|".join(get_args(Role)))],
    owner: Annotated[str | None, typer.Option(help="The user whose key it is; none: a program's.")] = None,
    days: Annotated[float | None, typer.Option(help="How long it is valid; without, until it is revoked.")] = None,
) -> None:
    """Make a key and print it. It is not shown again."""
    from placet_approval.handlers import keys

    chosen = as_role(role)
    lifetime = None if days is None else timedelta(days=days)
    typer.echo(work(database_url, lambda conn: keys.create(conn, name, chosen, owner=owner, lifetime=lifetime)))


@commands.command("list")
def list_all(database_url: DatabaseUrl, as_json: AsJson = False) -> None:
    """List all keys, those that are not valid any more too, without their secrets."""
    from placet_approval.store import keys

    for key in work(database_url, keys.every):
        state: str = key.state(datetime.now(UTC))
        if key.revoked_at is not None:
            state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}Z"
        elif key.expires_at is not None:
            state = f"{'expires' if state == 'valid' else 'expired'} {key.expires_at:%Y-%m-%d %H:%M}Z"
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}Z" if key.last_used_at is not None else None
        if as_json:
            facts = {"id": key.id, "name": key.name, "role": key.role, "owner": key.owner}
            typer.echo(json.dumps(facts | {"state": state, "lastUsed": used}))
        else:
            typer.echo(
                f"{key.id}  {key.name:<24} {key.role:<9} {state:<25} {key.owner or '-':<16} used {used or 'never'}"
            )


@commands.command("revoke")
def revoke(database_url: DatabaseUrl, name: Annotated[str, typer.Argument(help="The key's name or id.")]) -> None:
    """Revoke a key: its next request is refused."""
    from placet_approval.store import keys

    revoked = work(database_url, lambda conn: keys.revoke(conn, name))
    if revoked is None:
        typer.echo(f"placet: no valid key named {name!r}", err=True)
        raise typer.Exit(1)
    typer.echo(f"revoked {revoked}")


def as_role(text: str) -> Role:
    """A role by its name."""
    chosen: Role | None = next((known for known in get_args(Role) if known == text), None)
    if chosen is None:
        raise typer.BadParameter(f"unknown role {text!r}: one of {', '.join(get_args(Role))}")
    return chosen
