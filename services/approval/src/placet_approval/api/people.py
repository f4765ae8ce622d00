"""The operations on users, groups, keys and sessions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from starlette.responses import Response

from placet_approval.api import identity_schemas as schemas
from placet_approval.api.access import Access
from placet_approval.api.endpoints import Call, Endpoint, respond
from placet_approval.deps import Deps
from placet_approval.domain import NotFound
from placet_approval.handlers import groups, keys, sessions, users
from placet_approval.handlers.sessions import anti_forgery
from placet_approval.identity import ApiKey, UserChange
from placet_approval.store import identities
from placet_approval.store import keys as key_store
from placet_approval.store import sessions as session_store
from placet_contracts.base import Model

log = structlog.get_logger()


async def list_users(call: Call) -> Model:
    """List users, by handle."""
    query: schemas.UsersQuery = call.query
    async with _deps(call).pool.acquire() as conn:
        found = await identities.every_user(conn, after=query.cursor, limit=query.limit + 1)
    shown = [schemas.UserView.model_validate(user) for user in found[: query.limit]]
    return schemas.UserPage(items=shown, next_cursor=shown[-1].handle if len(found) > query.limit else None)


async def create_user(call: Call) -> Model | Response:
    """Make a user."""
    body: schemas.CreateUser = call.body
    async with _deps(call).pool.acquire() as conn:
        user = await users.create(conn, _change(body.handle, body), call.caller.actor)
    log.info("user.created", handle=user.handle, by=call.caller.actor)
    return respond(schemas.UserView.model_validate(user), 201, {"Location": f"/v1/users/{user.handle}"})


async def get_user(call: Call) -> Model:
    """Get a user."""
    async with _deps(call).pool.acquire() as conn:
        user = await users.get(conn, _name(call, "user"))
    return schemas.UserView.model_validate(user)


async def change_user(call: Call) -> Model:
    """Change a user. Who is disabled is signed out, cannot sign in, and their keys are refused."""
    async with _deps(call).pool.acquire() as conn:
        user = await users.change(conn, _change(_name(call, "user"), call.body), by=call.caller.actor)
    log.info("user.changed", handle=user.handle, by=call.caller.actor)
    return schemas.UserView.model_validate(user)


async def list_user_sessions(call: Call) -> Model:
    """List where a user is signed in."""
    return await _sessions(call, _name(call, "user"))


async def end_user_sessions(call: Call) -> Model:
    """Sign a user out everywhere."""
    return await _end_sessions(call, _name(call, "user"))


async def list_groups(call: Call) -> Model:
    """List all groups."""
    async with _deps(call).pool.acquire() as conn:
        found = await identities.groups(conn)
    return schemas.GroupList(items=[schemas.GroupView.model_validate(group) for group in found.values()])


async def create_group(call: Call) -> Model | Response:
    """Make a group."""
    body: schemas.CreateGroup = call.body
    async with _deps(call).pool.acquire() as conn:
        group = await groups.create(conn, body.name, frozenset(body.members), call.caller.actor)
    log.info("group.created", group=group.name, by=call.caller.actor)
    return respond(schemas.GroupView.model_validate(group), 201, {"Location": f"/v1/groups/{group.name}"})


async def get_group(call: Call) -> Model:
    """Get a group."""
    name = _name(call, "group")
    async with _deps(call).pool.acquire() as conn:
        found = await identities.groups(conn, [name])
    if name not in found:
        raise NotFound("group", name)
    return schemas.GroupView.model_validate(found[name])


async def change_group(call: Call) -> Model:
    """Change who is in a group."""
    body: schemas.ChangeGroup = call.body
    async with _deps(call).pool.acquire() as conn:
        group = await groups.change(conn, _name(call, "group"), frozenset(body.members), by=call.caller.actor)
    log.info("group.changed", group=group.name, by=call.caller.actor)
    return schemas.GroupView.model_validate(group)


async def delete_group(call: Call) -> Model:
    """Delete a group; its members stay."""
    async with _deps(call).pool.acquire() as conn:
        group = await groups.delete(conn, _name(call, "group"), call.caller.actor)
    log.info("group.deleted", group=group.name, by=call.caller.actor)
    return schemas.GroupView.model_validate(group)


async def list_keys(call: Call) -> Model:
    """List all keys, without their secrets."""
    async with _deps(call).pool.acquire() as conn:
        found = await key_store.every(conn)
    return schemas.KeyList(items=[_key(key) for key in found])


async def create_key(call: Call) -> Model:
    """Make a key. It is not shown again."""
    body: schemas.CreateKey = call.body
    lifetime = None if body.expires_in is None else timedelta(seconds=body.expires_in)
    async with _deps(call).pool.acquire() as conn:
        key = await keys.create(conn, body.name, body.role, owner=body.owner, lifetime=lifetime, by=call.caller.actor)
    log.info("key.created", name=body.name, role=body.role, owner=body.owner, by=call.caller.actor)
    return schemas.NewKey(name=body.name, role=body.role, key=key)


async def revoke_key(call: Call) -> Model:
    """Revoke a key: its next request is refused. Again is no error."""
    async with _deps(call).pool.acquire() as conn:
        key = await keys.revoke(conn, _name(call, "key"), call.caller.actor)
    log.info("key.revoked", name=key.name, by=call.caller.actor)
    return _key(key)


async def get_me(call: Call) -> Model:
    """Say who calls."""
    caller = call.caller
    async with _deps(call).pool.acquire() as conn:
        person = (await identities.resolve(conn, [caller.actor])).get(caller.actor)
        found = await identities.users(conn, [person.handle]) if person is not None else {}
    access: Access = call.request.state.access
    session = access.cookie.read(call.request) if caller.session is not None else None
    return schemas.Me(
        actor=caller.actor,
        roles=sorted(caller.roles),
        user=next((schemas.UserView.model_validate(user) for user in found.values()), None),
        session=caller.session,
        token=None if session is None else anti_forgery(session),
    )


async def list_my_sessions(call: Call) -> Model:
    """List where the caller is signed in; of a key nothing."""
    return await _sessions(call, _own_handle(call))


async def end_my_sessions(call: Call) -> Model:
    """Sign the caller out everywhere; a key is signed in nowhere."""
    handle = _own_handle(call)
    return schemas.SessionsEnded(ended=0) if handle is None else await _end_sessions(call, handle)


ENDPOINTS: Sequence[Endpoint] = (
    Endpoint("GET", "/v1/me", "self", get_me, schemas.Me),
    Endpoint("GET", "/v1/me/sessions", "self", list_my_sessions, schemas.SessionList),
    Endpoint("DELETE", "/v1/me/sessions", "self", end_my_sessions, schemas.SessionsEnded),
    Endpoint("GET", "/v1/users", "manage", list_users, schemas.UserPage, query=schemas.UsersQuery, problems=(422,)),
    Endpoint(
        "POST",
        "/v1/users",
        "manage",
        create_user,
        schemas.UserView,
        body=schemas.CreateUser,
        status=201,
        problems=(409, 413, 422),
    ),
    Endpoint("GET", "/v1/users/{name}", "manage", get_user, schemas.UserView, problems=(404,)),
    Endpoint(
        "PATCH",
        "/v1/users/{name}",
        "manage",
        change_user,
        schemas.UserView,
        body=schemas.ChangeUser,
        problems=(404, 409, 413, 422),
    ),
    Endpoint("GET", "/v1/users/{name}/sessions", "manage", list_user_sessions, schemas.SessionList, problems=(404,)),
    Endpoint(
        "DELETE", "/v1/users/{name}/sessions", "manage", end_user_sessions, schemas.SessionsEnded, problems=(404,)
    ),
    Endpoint("GET", "/v1/groups", "manage", list_groups, schemas.GroupList),
    Endpoint(
        "POST",
        "/v1/groups",
        "manage",
        create_group,
        schemas.GroupView,
        body=schemas.CreateGroup,
        status=201,
        problems=(404, 409, 413, 422),
    ),
    Endpoint("GET", "/v1/groups/{name}", "manage", get_group, schemas.GroupView, problems=(404,)),
    Endpoint(
        "PATCH",
        "/v1/groups/{name}",
        "manage",
        change_group,
        schemas.GroupView,
        body=schemas.ChangeGroup,
        problems=(404, 413, 422),
    ),
    Endpoint("DELETE", "/v1/groups/{name}", "manage", delete_group, schemas.GroupView, problems=(404,)),
    Endpoint("GET", "/v1/keys", "manage", list_keys, schemas.KeyList),
    Endpoint(
        "POST",
        "/v1/keys",
        "manage",
        create_key,
        schemas.NewKey,
        body=schemas.CreateKey,
        status=201,
        problems=(404, 409, 413, 422),
    ),
    Endpoint("DELETE", "/v1/keys/{name:path}", "manage", revoke_key, schemas.KeyView, problems=(404,)),
)


def _deps(call: Call) -> Deps:
    deps: Deps = call.request.state.services.deps
    return deps


def _name(call: Call, what: str) -> str:
    text: str = call.request.path_params["name"]
    if "\0" in text:  # Postgres takes none
        raise NotFound(what, repr(text))
    return text


def _change(handle: str, body: schemas.CreateUser | schemas.ChangeUser) -> UserChange:
    def whole(given: list[str] | None) -> frozenset[str] | None:
        return None if given is None else frozenset(given)

    return UserChange(
        handle=handle,
        name=body.name,
        roles=None if body.roles is None else frozenset(body.roles),
        emails=whole(body.emails),
        slack=whole(body.slack),
        aliases=whole(body.aliases),
        disabled=body.disabled if isinstance(body, schemas.ChangeUser) else None,
    )


def _key(key: ApiKey) -> schemas.KeyView:
    return schemas.KeyView(
        id=key.id,
        name=key.name,
        role=key.role,
        owner=key.owner,
        state=key.state(datetime.now(UTC)),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def _own_handle(call: Call) -> str | None:
    kind, _, handle = call.caller.actor.partition(":")
    return handle if kind == "user" else None


async def _sessions(call: Call, handle: str | None) -> Model:
    access: Access = call.request.state.access
    async with _deps(call).pool.acquire() as conn:
        if handle is None:
            return schemas.SessionList(items=[])
        await users.get(conn, handle)
        found = await session_store.of_user(conn, handle, access.lifetime.idle)
    return schemas.SessionList(items=[schemas.SessionView.model_validate(session) for session in found])


async def _end_sessions(call: Call, handle: str) -> Model:
    async with _deps(call).pool.acquire() as conn:
        ended = await sessions.end_of(conn, handle)
    log.info("sessions.ended", handle=handle, count=ended, by=call.caller.actor)
    return schemas.SessionsEnded(ended=ended)
