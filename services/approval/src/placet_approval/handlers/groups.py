"""Changing groups, under the lock of all identities."""

from collections.abc import Collection, Mapping

from placet_approval import identity
from placet_approval.domain import NotFound
from placet_approval.identity import Group, NameTaken
from placet_approval.store import audit, identities
from placet_runtime.postgres import Connection


async def create(conn: Connection, name: str, members: frozenset[str], by: str | None = None) -> Group:
    """Make a group; its members are handles of users; ``by`` stands in the audit.

    Raises:
        NameTaken, Unfit: it cannot be.
        NotFound: a member is not there.
    """
    async with conn.transaction():
        await identities.lock(conn)
        await audit.act(conn, by)
        if await identities.groups(conn, [identity.handle(name)]):
            raise NameTaken("group", name)
        await save(conn, {name: members})
        return Group(name, members)


async def change(
    conn: Connection,
    name: str,
    members: frozenset[str] | None = None,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    by: str | None = None,
) -> Group:
    """Change who is in a group.

    Raises:
        NotFound: the group, or somebody who is to be in it, is not there.
    """
    async with conn.transaction():
        await identities.lock(conn)
        await audit.act(conn, by)
        known = await _known(conn, name)
        chosen = (known.members if members is None else members).union(add).difference(remove)
        await save(conn, {name: chosen})
        return Group(name, chosen)


async def delete(conn: Connection, name: str, by: str | None = None) -> Group:
    """Delete a group; who asks for one of its members then asks for nobody.

    Raises:
        NotFound: it is not there.
    """
    async with conn.transaction():
        await identities.lock(conn)
        await audit.act(conn, by)
        known = await _known(conn, name)
        await identities.drop_groups(conn, [name])
    return known


async def save(conn: Connection, wanted: Mapping[str, frozenset[str] | None]) -> list[tuple[Group | None, Group]]:
    """Have groups with these members (``None``: as they are); those that change, before and after.

    In a transaction that has the lock.

    Raises:
        NotFound: a member is not there.
        Unfit: a name is none.
    """
    known = await identities.groups(conn, [identity.handle(name) for name in wanted])
    people = {member for members in wanted.values() for member in members or ()}
    if missing := people - (await identities.users(conn, people)).keys():
        raise NotFound("user", min(missing))
    changed: list[tuple[Group | None, Group]] = []
    for name, members in wanted.items():
        before = known.get(name)
        after = Group(name, members if members is not None else before.members if before else frozenset())
        if after != before:
            changed.append((before, after))
    if not changed:
        return []
    had = {(before.name, member) for before, _ in changed if before is not None for member in before.members}
    have = {(after.name, member) for _, after in changed for member in after.members}
    await identities.put_groups(conn, [after.name for _, after in changed])
    await identities.leave_groups(conn, sorted(had - have))
    await identities.join_groups(conn, sorted(have - had))
    return changed


async def _known(conn: Connection, name: str) -> Group:
    found = await identities.groups(conn, [name])
    if name not in found:
        raise NotFound("group", name)
    return found[name]
