"""``placet apply``: users, groups and policies as a YAML file has them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from placet_approval.commands.database import DatabaseUrl, work
from placet_approval.domain import Role
from placet_approval.identity import UserChange
from placet_approval.policy.matching import DeploymentPolicy

if TYPE_CHECKING:
    from placet_approval.handlers.applying import Difference, Wanted

_SIGNS = {"create": "+", "change": "~", "delete": "-"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _User(_Strict):
    name: str | None = None
    roles: list[Role] | None = None
    emails: list[str] | None = None
    slack: list[str] | None = None
    aliases: list[str] | None = None
    disabled: bool | None = None


class _Group(_Strict):
    members: list[str] | None = None


class _File(_Strict):
    users: dict[str, _User] | None = None
    groups: dict[str, _Group] | None = None
    policies: dict[str, dict[str, Any]] | None = None


class _Loader(yaml.SafeLoader):
    """Refuses what has two meanings: a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def apply(
    database_url: DatabaseUrl,
    file: Annotated[
        Path, typer.Argument(help="YAML, with `users`, `groups` and `policies`.", exists=True, dir_okay=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, and show what would change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Disable users, delete groups and end policies that the file does not have.")
    ] = False,
) -> None:
    """Have users, groups and policies as a file has them. What it does not mention stays as it is."""
    from placet_approval.handlers import applying

    try:
        wanted = read(file.read_text("utf-8"))
    except ValueError as error:
        typer.echo(f"placet: {file}: {error}", err=True)
        raise typer.Exit(2) from error
    found = work(database_url, lambda conn: applying.apply(conn, wanted, prune=prune, dry_run=dry_run))
    for difference in found:
        _show(difference)
    typer.echo("nothing to change" if not found else f"{'would change' if dry_run else 'changed'} {len(found)}")


def read(text: str) -> "Wanted":
    """What a file wants.

    Raises:
        ValueError: it is no such file; says where and why.
    """
    from placet_approval.handlers.applying import Wanted

    try:
        file = _File.model_validate(yaml.load(text, _Loader) or {})  # noqa: S506 -- it is a safe loader
        policies = None if file.policies is None else [_policy(name, spec) for name, spec in file.policies.items()]
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise ValueError("; ".join(wrong)) from error
    return Wanted(
        users=None if file.users is None else [_change(handle, user) for handle, user in file.users.items()],
        groups=None if file.groups is None else {name: _set(group.members) for name, group in file.groups.items()},
        policies=policies,
    )


def _policy(name: str, spec: dict[str, Any]) -> DeploymentPolicy:
    return DeploymentPolicy.model_validate_json(to_json({"name": name, **spec}))


def _change(handle: str, user: _User) -> UserChange:
    return UserChange(
        handle,
        name=user.name,
        roles=None if user.roles is None else frozenset(user.roles),
        emails=_set(user.emails),
        slack=_set(user.slack),
        aliases=_set(user.aliases),
        disabled=user.disabled,
    )


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _show(difference: "Difference") -> None:
    typer.echo(f"{_SIGNS[difference.what]} {difference.kind} {difference.name}")
    for name, (lost, got) in difference.fields.items():
        moved = [*(f"-{each}" for each in lost), *(f"+{each}" for each in got)]
        typer.echo(f"    {name}: {' '.join(moved)}")
