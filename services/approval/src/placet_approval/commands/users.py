"""``placet users`` and ``placet login-link``."""

import json
from datetime import timedelta
from typing import Annotated

import typer

from placet_approval.commands.database import AsJson, DatabaseUrl, work
from placet_approval.commands.keys import as_role
from placet_approval.domain import Role
from placet_approval.identity import Links, User, UserChange

commands = typer.Typer(help="Users: who people are, and what they may do.", no_args_is_help=True)

Handle = Annotated[str, typer.Argument(help="The user's name in the history: user:<handle>.")]
DisplayName = Annotated[str | None, typer.Option("--name", help="As people call them.")]
Roles = Annotated[
    list[str] | None, typer.Option("--role", help="May be given several times; all that they are to have.")
]
Emails = Annotated[list[str] | None, typer.Option("--email", help="A verified address; may be given several times.")]
Slack = Annotated[list[str] | None, typer.Option("--slack", help="A Slack user, <team id>/<user id>.")]
Aliases = Annotated[list[str] | None, typer.Option("--alias", help="What the history calls them too.")]
Logins = Annotated[list[str] | None, typer.Option("--login", help="An account at the sign-in provider.")]


@commands.command("create")
def create(
    database_url: DatabaseUrl,
    handle: Handle,
    *,
    name: DisplayName = None,
    role: Roles = None,
    email: Emails = None,
    slack: Slack = None,
    alias: Aliases = None,
) -> None:
    """Make a user."""
    from placet_approval.handlers import users

    links = _links(email, slack, alias)
    change = UserChange(
        handle, name=name, roles=_roles(role), emails=links.emails, slack=links.slack, aliases=links.aliases
    )
    _show(work(database_url, lambda conn: users.create(conn, change)))


@commands.command("list")
def list_all(database_url: DatabaseUrl, as_json: AsJson = False) -> None:
    """List all users."""
    from placet_approval.store import identities

    for user in work(database_url, identities.every_user):
        if as_json:
            typer.echo(json.dumps(_facts(user)))
        else:
            state = "disabled" if user.disabled else ", ".join(sorted(user.roles)) or "no roles"
            typer.echo(f"{user.handle:<24} {user.name:<28} {state:<24} {', '.join(sorted(user.emails))}".rstrip())


@commands.command("show")
def show(database_url: DatabaseUrl, handle: Handle, as_json: AsJson = False) -> None:
    """Show a user, and all by which they are known."""
    from placet_approval.handlers import users

    user = work(database_url, lambda conn: users.get(conn, handle))
    if as_json:
        typer.echo(json.dumps(_facts(user)))
    else:
        _show(user)


@commands.command("change")
def change(database_url: DatabaseUrl, handle: Handle, name: DisplayName = None, role: Roles = None) -> None:
    """Change a user's name, or roles."""
    from placet_approval.handlers import users

    change = UserChange(handle, name=name, roles=_roles(role))
    _show(work(database_url, lambda conn: users.change(conn, change)))


@commands.command("link")
def link(
    database_url: DatabaseUrl, handle: Handle, email: Emails = None, slack: Slack = None, alias: Aliases = None
) -> None:
    """Add addresses, Slack users and aliases."""
    from placet_approval.handlers import users

    links = _links(email, slack, alias)
    _show(work(database_url, lambda conn: users.change(conn, UserChange(handle), add=links)))


@commands.command("unlink")
def unlink(
    database_url: DatabaseUrl,
    handle: Handle,
    *,
    email: Emails = None,
    slack: Slack = None,
    alias: Aliases = None,
    login: Logins = None,
) -> None:
    """Remove addresses, Slack users, aliases, and accounts at the sign-in provider."""
    from placet_approval.handlers import users

    links = _links(email, slack, alias, login)
    _show(work(database_url, lambda conn: users.change(conn, UserChange(handle), remove=links)))


@commands.command("disable")
def disable(database_url: DatabaseUrl, handle: Handle) -> None:
    """Sign a user out, let them in no more, and refuse their keys."""
    from placet_approval.handlers import users

    _show(work(database_url, lambda conn: users.change(conn, UserChange(handle, disabled=True))))


@commands.command("enable")
def enable(database_url: DatabaseUrl, handle: Handle) -> None:
    """Let a disabled user in again."""
    from placet_approval.handlers import users

    _show(work(database_url, lambda conn: users.change(conn, UserChange(handle, disabled=False))))


@commands.command("sessions")
def sessions(database_url: DatabaseUrl, handle: Handle) -> None:
    """List where a user is signed in."""
    from placet_approval.store import sessions

    for session in work(database_url, lambda conn: sessions.of_user(conn, handle, timedelta(days=3650))):
        typer.echo(
            f"{session.created_at:%Y-%m-%d %H:%M}Z  by {session.method}, seen {session.seen_at:%Y-%m-%d %H:%M}Z, "
            f"until {session.expires_at:%Y-%m-%d %H:%M}Z  {session.agent}"
        )


@commands.command("revoke")
def revoke(database_url: DatabaseUrl, handle: Handle) -> None:
    """Sign a user out everywhere, and let their unused login links end."""
    from placet_approval.handlers import sessions

    ended = work(database_url, lambda conn: sessions.end_of(conn, handle))
    typer.echo(f"ended {ended} {'session' if ended == 1 else 'sessions'} of {handle}")


def login_link(
    database_url: DatabaseUrl,
    user: Annotated[str, typer.Argument(help="Whom it signs in.")] = "admin",
    public_url: Annotated[
        str, typer.Option(envvar="PLACET_PUBLIC_URL", help="How users reach the service.")
    ] = "http://localhost:8700",
) -> None:
    """Print a link that signs a user in: once, within a quarter of an hour."""
    from placet_approval.handlers import sessions

    path = work(database_url, lambda conn: sessions.link(conn, user))
    typer.echo(f"{public_url.rstrip('/')}{path}")


def _roles(names: list[str] | None) -> frozenset[Role] | None:
    return None if names is None else frozenset(map(as_role, names))


def _links(
    email: list[str] | None, slack: list[str] | None, alias: list[str] | None, login: list[str] | None = None
) -> Links:
    return Links(*(frozenset(each or ()) for each in (email, slack, alias, login)))


def _facts(user: User) -> dict[str, object]:
    lists = {"roles", "emails", "slack", "aliases", "logins", "groups"}
    return {
        "handle": user.handle,
        "name": user.name,
        **{name: sorted(getattr(user, name)) for name in sorted(lists)},
        "disabled": user.disabled,
    }


def _show(user: User) -> None:
    for name, value in _facts(user).items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name:<9} {'yes' if shown is True else 'no' if shown is False else shown}".rstrip())
