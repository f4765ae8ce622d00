"""Users, groups and policies as a file has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from placet_approval.handlers import groups, policies, users
from placet_approval.handlers.policies import What
from placet_approval.identity import Group, User, UserChange
from placet_approval.policy.matching import DeploymentPolicy
from placet_approval.store import identities
from placet_runtime.postgres import Connection

_FIELDS = ("name", "roles", "emails", "slack", "aliases", "disabled")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there is to be; ``None`` says nothing of that kind."""

    users: Sequence[UserChange] | None = None
    groups: Mapping[str, frozenset[str] | None] | None = None
    policies: Sequence[DeploymentPolicy] | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What is other than it was. ``fields``: by name, what it loses and what it gets."""

    kind: Literal["user", "group", "policy"]
    name: str
    what: What
    fields: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


async def apply(conn: Connection, wanted: Wanted, *, prune: bool, dry_run: bool) -> list[Difference]:
    """Have what is wanted, all of it or nothing; how that differs from what was.

    With ``prune``, of each kind that is mentioned what is not is gone too: users are disabled, groups deleted,
    policies end. A dry run does all of that, and takes it back.

    Raises:
        NotFound, IdentityTaken, Unfit: something of it cannot be.
    """
    transaction = conn.transaction()
    await transaction.start()
    try:
        await identities.lock(conn)
        found = await _apply(conn, wanted, prune=prune)
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if dry_run else transaction.commit())
    return found


async def _apply(conn: Connection, wanted: Wanted, *, prune: bool) -> list[Difference]:
    changes = list(wanted.users or ())
    gone: list[str] = []
    if prune and wanted.users is not None:
        named = {change.handle for change in changes}
        others = await identities.every_user(conn)
        changes += [UserChange(u.handle, disabled=True) for u in others if u.handle not in named and not u.disabled]
    if prune and wanted.groups is not None:
        gone = sorted((await identities.groups(conn)).keys() - wanted.groups.keys())
        await identities.drop_groups(conn, gone)
    differences = [_of_user(before, after) for before, after in await users.save(conn, changes)]
    differences += [_of_group(before, after) for before, after in await groups.save(conn, wanted.groups or {})]
    differences += [Difference("group", name, "delete", {}) for name in gone]
    return differences + [
        Difference("policy", name, what, {}) for name, what in await _policies(conn, wanted.policies, prune=prune)
    ]


async def _policies(
    conn: Connection, wanted: Sequence[DeploymentPolicy] | None, *, prune: bool
) -> list[tuple[str, What]]:
    return [] if wanted is None else await policies.apply(conn, wanted, "placet apply", prune=prune)


def _of_user(before: User | None, after: User) -> Difference:
    fields = {name: _moved(getattr(before, name, None), getattr(after, name)) for name in _FIELDS}
    moved = {name: each for name, each in fields.items() if each != ((), ())}
    return Difference("user", after.handle, "create" if before is None else "change", moved)


def _of_group(before: Group | None, after: Group) -> Difference:
    moved = _moved(before.members if before is not None else None, after.members)
    fields = {} if moved == ((), ()) else {"members": moved}
    return Difference("group", after.name, "create" if before is None else "change", fields)


def _moved(before: object, after: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    had, has = _values(before), _values(after)
    return tuple(sorted(had - has)), tuple(sorted(has - had))


def _values(value: object) -> frozenset[str]:
    if isinstance(value, frozenset):
        return value
    if isinstance(value, bool):
        return frozenset({"yes"} if value else ())
    return frozenset() if value is None else frozenset({str(value)})
