"""A policy tried before it counts: on approvals of the past, and on an input. Changes nothing."""

from pydantic_core import from_json
from starlette.responses import Response

from placet_approval.handlers import policies
from placet_approval.handlers.policies import Replay
from placet_approval.identity import Unfit
from placet_approval.inbox import drafts, wording
from placet_approval.inbox.drafts import Problem
from placet_approval.inbox.fields import Fields
from placet_approval.inbox.routing import both
from placet_approval.inbox.settings_page import page
from placet_approval.inbox.views.policies import LARGEST_DRAFT
from placet_approval.inbox.visits import Visit, does, shows
from placet_approval.policy.matching import DeploymentPolicy
from placet_approval.policy.terms import Terms

_MOST_TRIED = 10_000
_ANY_WORKFLOW = "-"  # no workflow has this name
_KINDS = {
    "would-let-through": ("bad", "Would let through"),
    "would-approve-by-rule": ("warn", "Would need nobody"),
    "would-ask-more": ("info", "Would ask more"),
    "would-ask-others": ("", "Would ask others"),
}


async def form(visit: Visit) -> Response:
    """The form; with ``policy``, of that policy as it is in force or was last."""
    name = visit.query("policy")
    text = drafts.EXAMPLE
    if name:
        text = drafts.text_of((await policies.versions(visit.deps, name))[0].policy)
    return _show(visit, Fields(policy=text, input="", limit="1000"))


async def try_policy(visit: Visit) -> Response:
    """What a draft would have changed, and what it asks on the input, if there is one."""
    fields = Fields({"limit": "1000", **visit.form})
    draft = drafts.read(fields["policy"])
    if isinstance(draft, list):
        return _show(visit, fields, draft, status=422)
    limit = fields.read("limit", _limit, ValueError)
    input = fields.read("input", from_json, ValueError) if fields.text("input") else None
    about = (
        fields.text("workflow") or draft.match.workflow or _ANY_WORKFLOW,
        fields.read("version", _version, ValueError) or draft.match.version or 1,
        fields.text("gate") or draft.match.gate or "approval",
    )
    if limit is None or fields.errors:
        return _show(visit, fields, status=422)
    try:
        async with visit.deps.pool.acquire() as conn:
            replay = await policies.test(conn, draft, limit)
        asked = await policies.ask(visit.deps, draft, about, input) if fields.text("input") else None
    except Unfit as error:
        where, _, why = str(error).partition(": ")
        return _show(visit, fields, [Problem(where, why)], status=422)
    return _show(visit, fields, draft=draft, replay=replay, asked=asked, is_about=draft.is_about(*about))


ROUTES = [
    both("/settings/policy-tests", shows(form, "manage"), does(try_policy, "manage", most=LARGEST_DRAFT)),
]


def _show(
    visit: Visit,
    fields: Fields,
    problems: list[Problem] | None = None,
    *,
    status: int = 200,
    draft: DeploymentPolicy | None = None,
    replay: Replay | None = None,
    asked: Terms | None = None,
    is_about: bool = True,
) -> Response:
    return page(
        visit,
        "try_policy.html",
        tab="policies",
        status=status,
        fields=fields,
        problems=problems or [],
        about=None if draft is None else wording.about(draft.match),
        words=None if draft is None else wording.in_words(draft),
        replay=replay,
        kinds=_KINDS,
        sourced=wording.sourced,
        asked=asked,
        asks=None if asked is None else wording.in_words(asked),
        is_about=is_about,
        sources={} if asked is None else {rule.source: wording.source(rule.source) for rule in asked.rules},
    )


def _limit(text: str) -> int:
    if text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= _MOST_TRIED:
        return int(text)
    raise ValueError(f"a number up to {_MOST_TRIED}")


def _version(text: str) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdecimal() and 0 < int(text[:9]) < 2**31:
        return int(text)
    raise ValueError("a version is a number, such as 2")
