"""Who works at the demo's company, and what the company asks of everybody."""

from placet_approval.handlers import applying, keys
from placet_approval.handlers.applying import Wanted
from placet_approval.identity import UserChange
from placet_approval.policy.matching import DeploymentPolicy, Match
from placet_approval.store import identities
from placet_contracts.policies import Quorum, Stage
from placet_runtime.postgres import Connection

YOU = "ana"  # whom the demo's link signs in

_NAMES = {
    "ana": ("Ana Moreno", {"admin", "approver"}),
    "bo": ("Bo Lindqvist", {"approver"}),
    "chen": ("Chen Wei", {"approver", "starter"}),
    "dara": ("Dara Okafor", {"approver"}),
    "eli": ("Eli Novak", {"starter"}),
    "fay": ("Fay Roberts", {"approver", "starter"}),
    "gita": ("Gita Rao", {"approver"}),
    "hugo": ("Hugo Blanc", {"viewer"}),
}
_GROUPS = {
    "finance": {"ana", "chen", "dara"},
    "heads": {"ana", "dara"},
    "legal": {"gita"},
    "ops": {"ana", "bo", "fay"},
    "support": {"ana", "dara", "fay"},
}
POLICIES = (
    DeploymentPolicy(
        name="large-refunds",
        match=Match(workflow="refund"),
        stages=(
            Stage(name="large refund", quorums=(Quorum(approvers=("group:heads",)),), when="input.amount > 1000.0"),
        ),
    ),
    DeploymentPolicy(name="never-your-own", match=Match(workflow="vendor-payment"), separate_requester=True),
    DeploymentPolicy(name="tidy-up", expires_in=14 * 86400.0),
)


async def move_in(conn: Connection) -> None:
    """Make everybody known, with their groups and keys, and put the policies in force."""
    users = [
        UserChange(handle, name=name, roles=frozenset(roles), emails=frozenset({f"{handle}@alder.example"}))  # type: ignore[arg-type]
        for handle, (name, roles) in _NAMES.items()
    ]
    groups = {name: frozenset(members) for name, members in _GROUPS.items()}
    await applying.apply(conn, Wanted(users, groups, POLICIES), prune=False, dry_run=False)
    await keys.create(conn, "billing-agent", "starter")
    await keys.create(conn, "release-pipeline", "starter")
    await keys.create(conn, "bo-laptop", "approver", owner="bo")


async def are_here(conn: Connection) -> bool:
    """Whether they have moved in."""
    return _NAMES.keys() <= (await identities.users(conn, list(_NAMES))).keys()
