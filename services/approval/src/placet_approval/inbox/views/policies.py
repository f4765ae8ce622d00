"""Policies of the deployment: read, put in force, and taken out of force."""

from urllib.parse import quote

import structlog
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.domain import NotFound, PolicyChanged, StoredPolicy
from placet_approval.handlers import naming, policies
from placet_approval.identity import Unfit
from placet_approval.inbox import drafts, wording
from placet_approval.inbox.drafts import Problem
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import confirm, named, page
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.policy.matching import DeploymentPolicy, approvers

log = structlog.get_logger()

LARGEST_DRAFT = 512 * 1024  # bytes, as a form sends it


async def list_policies(visit: Visit) -> Response:
    """Those in force, and those that were."""
    return page(
        visit,
        "policies.html",
        tab="policies",
        policies=[_told(each) for each in await policies.listed(visit.deps)],
        ended=[_told(each) for each in await policies.ended(visit.deps)],
    )


async def show(visit: Visit) -> Response:
    """One policy: in words, as text, and as it was before; with ``version``, an earlier one."""
    versions = await policies.versions(visit.deps, named(visit, "name", "policy"))
    chosen = _chosen(visit, versions)
    before = next((each for each in versions if each.version == chosen.version - 1), None)
    async with visit.deps.pool.acquire() as conn:
        idle = await naming.idle(conn, approvers(chosen.policy)) if chosen.in_force else []
    return page(
        visit,
        "policy.html",
        tab="policies",
        shown=_told(chosen),
        text=drafts.text_of(chosen.policy),
        before=None if before is None else drafts.text_of(before.policy),
        versions=versions,
        newest=versions[0],
        idle=idle,
    )


async def new(visit: Visit) -> Response:
    """The form of a new policy."""
    return _form(visit, drafts.EXAMPLE, None)


async def edit(visit: Visit) -> Response:
    """The form of a policy that is there; with ``version``, as it was then."""
    versions = await policies.versions(visit.deps, named(visit, "name", "policy"))
    return _form(visit, drafts.text_of(_chosen(visit, versions).policy), versions[0])


async def put_new(visit: Visit) -> Response:
    """Puts a new policy in force."""
    return await _put(visit, None)


async def put(visit: Visit) -> Response:
    """Puts a new version of a policy in force, unless another came in between."""
    versions = await policies.versions(visit.deps, named(visit, "name", "policy"))
    return await _put(visit, versions[0])


async def ask_to_end(visit: Visit) -> Response:
    """Says what comes of it."""
    [newest, *_] = await policies.versions(visit.deps, named(visit, "name", "policy"))
    if not newest.in_force:
        raise NotFound("policy in force", newest.name)
    return confirm(
        visit,
        tab="policies",
        title=f"Take {newest.name} out of force?",
        points=(
            f"What opens from then on is not asked any more: {'; '.join(wording.in_words(newest.policy))}.",
            "What is open keeps what it opened with.",
            "All versions stay here, and any of them can be put in force again.",
        ),
        action=f"{address(newest.name)}/end",
        button="Take out of force",
        back=address(newest.name),
    )


async def end(visit: Visit) -> Response:
    """Takes a policy out of force."""
    ended = await policies.end(visit.deps, named(visit, "name", "policy"), visit.caller.actor)
    log.info("policy.ended", policy=ended.name, by=visit.caller.actor)
    return visit.go(address(ended.name), f"{ended.name} is out of force.")


def address(name: str) -> str:
    """Where a policy's page is."""
    return f"/settings/policies/{quote(name, safe='')}"


_POLICY = "/settings/policies/{name}"

ROUTES = [
    Route("/settings/policies", shows(list_policies, "manage"), methods=["GET"]),
    both("/settings/new-policy", shows(new, "manage"), does(put_new, "manage", most=LARGEST_DRAFT)),
    Route(_POLICY, shows(show, "manage"), methods=["GET"]),
    both(f"{_POLICY}/edit", shows(edit, "manage"), does(put, "manage", most=LARGEST_DRAFT)),
    both(f"{_POLICY}/end", shows(ask_to_end, "manage"), does(end, "manage")),
]


async def _put(visit: Visit, newest: StoredPolicy | None) -> Response:
    text, version = visit.form.get("policy", ""), visit.form.get("version", "")
    draft = drafts.read(text)
    if isinstance(draft, list):
        return _form(visit, text, newest, draft, status=422)
    if newest is not None and draft.name != newest.name:
        why = f"stays {newest.name}; for another name, make a new policy"
        return _form(visit, text, newest, [Problem("name", why)], status=422)
    try:
        policies.check(draft)
        if visit.form.get("do") == "preview":
            return _form(visit, text, newest, draft=draft)
        seen = int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else -1
        stored = await policies.put(visit.deps, draft, visit.caller.actor, seen)
    except Unfit as error:
        where, _, why = str(error).partition(": ")
        return _form(visit, text, newest, [Problem(where, why)], status=422)
    except PolicyChanged as error:
        changed = Problem("", f"{error}; what you have written is still here, and not in force")
        return _form(visit, text, newest, [changed], draft=draft, status=409)
    log.info("policy.put", policy=stored.name, version=stored.version, by=visit.caller.actor)
    return visit.go(address(stored.name), f"Version {stored.version} of {stored.name} is in force.")


def _form(
    visit: Visit,
    text: str,
    newest: StoredPolicy | None,
    problems: list[Problem] | None = None,
    *,
    draft: DeploymentPolicy | None = None,
    status: int = 200,
) -> Response:
    """The form of a draft; ``newest``: the last version of the policy that is edited."""
    return page(
        visit,
        "edit_policy.html",
        tab="policies",
        status=status,
        text=text,
        newest=newest,
        version=newest.version if newest is not None and newest.in_force else 0,
        now=None if newest is None else drafts.text_of(newest.policy),
        problems=problems or [],
        about=None if draft is None else wording.about(draft.match),
        words=None if draft is None else wording.in_words(draft),
        draft=None if draft is None else drafts.text_of(draft),
    )


def _told(stored: StoredPolicy) -> dict[str, object]:
    """A policy with its words."""
    about = wording.about(stored.policy.match)
    return {"stored": stored, "about": about, "words": wording.in_words(stored.policy)}


def _chosen(visit: Visit, versions: list[StoredPolicy]) -> StoredPolicy:
    """The version that the address names, or the newest.

    Raises:
        NotFound: there is no such version.
    """
    text = visit.query("version")
    if not text:
        return versions[0]
    found = next((each for each in versions if str(each.version) == text), None)
    if found is None:
        raise NotFound(f"version of {versions[0].name}", text)
    return found
