"""Who is named by policies, and could not decide all the same."""

from collections.abc import Collection
from dataclasses import dataclass

from placet_approval.policy.authoriser import asked_as
from placet_approval.policy.people import may_decide
from placet_approval.store import identities
from placet_contracts.policies import Approver
from placet_runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Idle:
    """An approver that nobody can decide as, or a group of which some cannot; ``why`` says it, in words.

    ``members``: those of a group who cannot, by handle.
    """

    approver: Approver
    why: str
    members: tuple[str, ...] = ()


async def idle(conn: Connection, approvers: Collection[Approver]) -> list[Idle]:
    """Those of these approvers that are named in vain, as things are now, in order."""
    named = sorted(set(approvers))
    groups = [each.removeprefix("group:") for each in named if each.startswith("group:")]
    known = await identities.groups(conn, groups) if groups else {}
    members = await identities.users(conn, {handle for group in known.values() for handle in group.members})
    people = await identities.resolve(conn, [each for each in named if not each.startswith("group:")])
    found = []
    for each in named:
        if each.startswith("group:"):
            group = known.get(each.removeprefix("group:"))
            unable = () if group is None else tuple(h for h in sorted(group.members) if not may_decide(members[h]))
            if group is None:
                found.append(Idle(each, "there is no such group"))
            elif len(unable) == len(group.members):
                found.append(Idle(each, "nobody is in it who has the role approver", unable))
            elif unable:
                found.append(Idle(each, f"without the role approver: {', '.join(unable)}", unable))
        elif (person := people.get(each)) is None:
            found.append(Idle(each, "nobody is known by that"))
        elif each not in asked_as(person):
            found.append(Idle(each, "is disabled" if person.disabled else "has not the role approver"))
    return found
