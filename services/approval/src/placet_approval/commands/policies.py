"""``placet policy``: look at the policies in force, and try a draft on what was decided in the past."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placet_approval.commands.database import AsJson, DatabaseUrl, work

if TYPE_CHECKING:
    from placet_approval.handlers.policies import Replay
    from placet_approval.policy.matching import DeploymentPolicy
    from placet_runtime.postgres import Connection

commands = typer.Typer(help="Policies: who must say yes, beside what authors ask.", no_args_is_help=True)


@commands.command("list")
def list_policies(database_url: DatabaseUrl, as_json: AsJson = False) -> None:
    """List the policies in force."""
    from placet_approval.store import policies

    for each in work(database_url, policies.in_force):
        about = each.policy.match.model_dump(by_alias=True, exclude_none=True)
        facts = {"name": each.name, "version": each.version, "match": about, "since": each.created_at.isoformat()}
        where = ", ".join(f"{name} {value}" for name, value in about.items()) or "everything"
        typer.echo(json.dumps(facts) if as_json else f"{each.name:<24} version {each.version:<4} {where}")


@commands.command("show")
def show_policy(database_url: DatabaseUrl, name: str) -> None:
    """Print a policy as YAML, in the version in force or else the last one."""
    import yaml

    from placet_approval.store import policies

    versions = work(database_url, lambda conn: policies.versions(conn, name))
    if not versions:
        typer.echo(f"placet: there is no policy {name}", err=True)
        raise typer.Exit(1)
    newest = versions[0]
    state = "in force" if newest.in_force else f"ended by {newest.ended_by}"
    typer.echo(f"# version {newest.version}, {state}, by {newest.created_by}")
    spec = newest.policy.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    typer.echo(yaml.safe_dump(spec, sort_keys=False), nl=False)


@commands.command("test")
def try_policy(
    database_url: DatabaseUrl,
    draft: Annotated[Path, typer.Argument(help="One policy as YAML or JSON.", exists=True, dir_okay=False)],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many decided approvals, the newest.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Try a draft on decided approvals, and list each that would have gone otherwise.

    First comes what it would have let through that a person rejected; then the exit code is 3.
    """
    from placet_approval.handlers import policies
    from placet_approval.identity import Unfit

    policy = _read(draft)

    async def replay(conn: "Connection") -> "Replay":
        try:
            return await policies.test(conn, policy, limit)
        except Unfit as error:
            raise Unfit(f"{draft}: {error}") from error

    found = work(database_url, replay).otherwise
    for each in found:
        facts = {
            "kind": each.difference.kind,
            "approval": str(each.approval.id),
            "workflow": each.approval.workflow,
            "gate": each.approval.gate,
            "status": each.approval.status,
            "by": each.approval.resolved_by,
            "why": each.difference.why,
        }
        typer.echo(json.dumps(facts) if as_json else "  ".join(facts.values()))
    if not found and not as_json:
        typer.echo("no decided approval would have gone otherwise")
    if any(each.difference.kind == "would-let-through" for each in found):
        raise typer.Exit(3)


def _read(path: Path) -> "DeploymentPolicy":
    import yaml
    from pydantic import ValidationError

    from placet_approval.policy.matching import DeploymentPolicy
    from placet_contracts.cloudevents import explain

    try:
        text = json.dumps(yaml.safe_load(path.read_text()), default=str)
        return DeploymentPolicy.model_validate_json(text)
    except ValidationError as error:
        problem = explain(error)
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        problem = f"no YAML: {error}"
    typer.echo(f"placet: {path}: {problem}", err=True)
    raise typer.Exit(2)
