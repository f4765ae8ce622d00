"""One's own account: who one is, and where one is signed in. And all that is below settings."""

import structlog
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.handlers import sessions, users
from placet_approval.inbox import agents
from placet_approval.inbox.settings_page import page, uuid_of
from placet_approval.inbox.views import absences, explaining, groups, keys, policies, trying, user
from placet_approval.inbox.views import users as people
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.store import sessions as session_store

log = structlog.get_logger()


async def account(visit: Visit) -> Response:
    """Who one is here, and where one is signed in."""
    handle = visit.person.handle
    async with visit.deps.pool.acquire() as conn:
        user = await users.get(conn, handle)
        found = await session_store.of_user(conn, handle, visit.request.state.access.lifetime.idle)
    return page(
        visit,
        "account.html",
        tab="account",
        user=user,
        sessions=[(each, agents.in_words(each.agent)) for each in found],
        current=visit.caller.session,
    )


async def end_sessions(visit: Visit) -> Response:
    """Ends one of one's own sessions, or all but this one."""
    handle, current = visit.person.handle, visit.caller.session
    async with visit.deps.pool.acquire() as conn, conn.transaction():
        if visit.form.get("others") == "yes" and current is not None:
            ended = await sessions.end_others(conn, handle, current)
            told = "You were signed in nowhere else." if not ended else "You are signed out everywhere else."
        else:
            await sessions.end_one(conn, handle, uuid_of(visit.form.get("session", ""), "session"))
            ended, told = 1, "That browser is signed out."
    log.info("sessions.ended", handle=handle, count=ended, by=visit.caller.actor)
    return visit.go("/settings", told)


ROUTES = [
    Route("/settings", shows(account, "self"), methods=["GET"]),
    Route("/settings/sessions", does(end_sessions, "self"), methods=["POST"]),
    *absences.ROUTES,
    *people.ROUTES,
    *user.ROUTES,
    *groups.ROUTES,
    *keys.ROUTES,
    *policies.ROUTES,
    *trying.ROUTES,
    *explaining.ROUTES,
]
