"""Why somebody can or cannot decide on an approval."""

import re
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from placet_approval.domain import NotFound
from placet_approval.handlers import explaining
from placet_approval.handlers.explaining import Explanation
from placet_approval.inbox import wording
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.settings_page import page
from placet_approval.inbox.visits import Visit, shows
from placet_approval.store import identities

_MOST = 500  # users that are looked at, and that the browser proposes
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


async def explain(visit: Visit) -> Response:
    """Of ``approval``, given as its id or the address of its page: whether ``actor`` may decide, or who may at all."""
    fields = Fields(approval=visit.query("approval"), actor=visit.query("actor"))
    if not fields.text("approval"):
        return await _show(visit, fields)
    id = fields.read("approval", _id, ValueError)
    if id is None:
        return await _show(visit, fields, status=422)
    actor = fields.text("actor")
    with fields.beside("approval", NotFound):
        if actor:
            named = actor if ":" in actor or "@" in actor else f"user:{actor}"
            found = await explaining.explain(visit.deps, id, named)
            return await _show(visit, fields, found=found)
        everybody = await explaining.everybody(visit.deps, id, limit=_MOST)
        found = await explaining.explain(visit.deps, id, visit.caller.actor, visit.caller.roles)
        return await _show(visit, fields, found=found, everybody=everybody)
    return await _show(visit, fields, status=404)


ROUTES = [Route("/settings/explain", shows(explain, "manage"), methods=["GET"])]


async def _show(
    visit: Visit,
    fields: Fields,
    *,
    status: int = 200,
    found: Explanation | None = None,
    everybody: list[Explanation] | None = None,
) -> Response:
    async with visit.deps.pool.acquire() as conn:
        people = await identities.every_user(conn, limit=_MOST)
    approval = None if found is None else found.approval
    return page(
        visit,
        "explain.html",
        tab="policies",
        status=status,
        fields=fields,
        found=found,
        everybody=everybody,
        people=people,
        asks=[] if approval is None else wording.in_words(approval.asked),
        rules=[] if approval is None else [(wording.source(rule.source), rule) for rule in approval.asked.rules],
        progress=[] if approval is None else [(wording.source(each.source), each) for each in approval.asked_progress],
        of_others=_of_others,
    )


def _of_others(why: str) -> str:
    """What somebody would be told, as it is said of them."""
    for theirs, said in _SAID:
        why = why.replace(theirs, said)
    return why


_SAID = (("your turn", "their turn"), ("you have", "they have"), ("you could", "they could"), ("for you,", "for them,"))


def _id(text: str) -> UUID:
    found = _UUID.search(text)
    if found is None:
        raise ValueError("the id of an approval, or the address of its page")
    return UUID(found[0])
