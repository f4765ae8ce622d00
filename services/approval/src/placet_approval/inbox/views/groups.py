"""Groups, and who is in them."""

from urllib.parse import quote

import structlog
from starlette.responses import Response

from placet_approval import identity
from placet_approval.domain import NotFound
from placet_approval.handlers import groups, naming, policies
from placet_approval.identity import Group, NameTaken, Unfit
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import confirm, named, page
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.store import identities

log = structlog.get_logger()

_MOST_NAMES = 500  # that the browser proposes


async def list_groups(visit: Visit) -> Response:
    """All groups, and the form of a new one."""
    return await _list(visit, Fields())


async def create(visit: Visit) -> Response:
    """Makes a group, without anybody in it."""
    fields = Fields(visit.form)
    name = fields.read("name", identity.handle, Unfit)
    if name is not None:
        async with visit.deps.pool.acquire() as conn:
            with fields.beside("name", NameTaken):
                await groups.create(conn, name, frozenset(), visit.caller.actor)
                log.info("group.created", group=name, by=visit.caller.actor)
                return visit.go(address(name), f"The group {name} is made. Add somebody.")
    return await _list(visit, fields, 422)


async def show(visit: Visit) -> Response:
    """Who is in a group, and which policies ask it."""
    return await _show(visit, Fields())


async def change(visit: Visit) -> Response:
    """Adds members, or removes one."""
    name, fields = named(visit, "name", "group"), Fields(visit.form)
    removes = fields["do"] == "remove"
    people = [each.removeprefix("user:") for each in fields.words("members")]
    if not people:
        fields.wrong("members", "say who: handles of users")
        return await _show(visit, fields, 422)
    await _group(visit, name)
    add, remove = ([], people) if removes else (people, [])
    async with visit.deps.pool.acquire() as conn:
        with fields.beside("members", NotFound):
            await groups.change(conn, name, add=add, remove=remove, by=visit.caller.actor)
            log.info("group.changed", group=name, by=visit.caller.actor)
            said = ", ".join(people)
            return visit.go(address(name), f"{said} {'removed from' if removes else 'added to'} {name}.")
    return await _show(visit, fields, 422)


async def ask_to_delete(visit: Visit) -> Response:
    """Says what comes of it, and which policies would ask for nobody."""
    group = await _group(visit, named(visit, "name", "group"))
    asking = await policies.naming(visit.deps, f"group:{group.name}")
    points = ["Its members stay, and lose nothing but being asked as this group."]
    points += [f"The policy {each.name} names it: what it asks of this group, nobody could give." for each in asking]
    points.append("Workflows may name it in their code too, and approvals that are open: these would wait for nobody.")
    return confirm(
        visit,
        tab="groups",
        title=f"Delete the group {group.name}?",
        points=points,
        action=f"{address(group.name)}/delete",
        button="Delete",
        back=address(group.name),
    )


async def delete(visit: Visit) -> Response:
    """Deletes a group."""
    async with visit.deps.pool.acquire() as conn:
        group = await groups.delete(conn, named(visit, "name", "group"), visit.caller.actor)
    log.info("group.deleted", group=group.name, by=visit.caller.actor)
    return visit.go("/settings/groups", f"The group {group.name} is deleted.")


def address(name: str) -> str:
    """Where a group's page is."""
    return f"/settings/groups/{quote(name, safe='')}"


ROUTES = [
    both("/settings/groups", shows(list_groups, "manage"), does(create, "manage")),
    both("/settings/groups/{name}", shows(show, "manage"), does(change, "manage")),
    both("/settings/groups/{name}/delete", shows(ask_to_delete, "manage"), does(delete, "manage")),
]


async def _list(visit: Visit, fields: Fields, status: int = 200) -> Response:
    async with visit.deps.pool.acquire() as conn:
        found = await identities.groups(conn)
    return page(visit, "groups.html", tab="groups", status=status, groups=list(found.values()), fields=fields)


async def _show(visit: Visit, fields: Fields, status: int = 200) -> Response:
    group = await _group(visit, named(visit, "name", "group"))
    asking = await policies.naming(visit.deps, f"group:{group.name}")
    async with visit.deps.pool.acquire() as conn:
        members = await identities.users(conn, group.members)
        idle = await naming.idle(conn, [f"group:{group.name}"])
        others = await identities.every_user(conn, limit=_MOST_NAMES)
    return page(
        visit,
        "group.html",
        tab="groups",
        status=status,
        group=group,
        members=[members[handle] for handle in sorted(members)],
        others=[each for each in others if each.handle not in group.members and not each.disabled],
        policies=asking,
        idle=[handle for each in idle for handle in each.members],
        fields=fields,
    )


async def _group(visit: Visit, name: str) -> Group:
    async with visit.deps.pool.acquire() as conn:
        found = await identities.groups(conn, [name])
    if name not in found:
        raise NotFound("group", name)
    return found[name]
