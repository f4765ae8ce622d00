"""``placet groups``."""

from typing import Annotated

import typer

from placet_approval.commands.database import DatabaseUrl, work
from placet_approval.identity import Group

commands = typer.Typer(help="Groups: people who are asked together.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The group's name.")]
Members = Annotated[list[str] | None, typer.Argument(help="Handles of users.")]


@commands.command("create")
def create(database_url: DatabaseUrl, name: Name, members: Members = None) -> None:
    """Make a group."""
    from placet_approval.handlers import groups

    _show(work(database_url, lambda conn: groups.create(conn, name, frozenset(members or ()))))


@commands.command("list")
def list_all(database_url: DatabaseUrl) -> None:
    """List all groups with their members."""
    from placet_approval.store import identities

    for group in work(database_url, identities.groups).values():
        _show(group)


@commands.command("add")
def add(database_url: DatabaseUrl, name: Name, members: Members = None) -> None:
    """Add members."""
    from placet_approval.handlers import groups

    _show(work(database_url, lambda conn: groups.change(conn, name, add=members or ())))


@commands.command("remove")
def remove(database_url: DatabaseUrl, name: Name, members: Members = None) -> None:
    """Remove members."""
    from placet_approval.handlers import groups

    _show(work(database_url, lambda conn: groups.change(conn, name, remove=members or ())))


@commands.command("delete")
def delete(database_url: DatabaseUrl, name: Name) -> None:
    """Delete a group; its members stay."""
    from placet_approval.handlers import groups

    typer.echo(f"deleted {work(database_url, lambda conn: groups.delete(conn, name)).name}")


def _show(group: Group) -> None:
    typer.echo(f"{group.name:<24} {', '.join(sorted(group.members)) or '-'}")
