"""Deciding on one request or on several, and undoing that."""

import asyncio
from typing import get_args
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.responses import Response
from starlette.routing import Route

from placet_approval.api import problems
from placet_approval.domain import ApprovalError, Decision, Held, NotFound, Verdict
from placet_approval.handlers import holding, shelves
from placet_approval.identity import Unfit
from placet_approval.inbox.views import cards
from placet_approval.inbox.views.shelf import Asked, asked
from placet_approval.inbox.visits import Visit, does, shows

_SEVERAL = 50  # requests that are decided on at once
_FORM = 128 * 1024  # bytes
_LONGEST_COMMENT = 10_000  # characters, as everywhere


async def decide(visit: Visit) -> Response:
    """Takes a decision, and shows the next request."""
    id = cards.request_id(visit.request.path_params["id"])
    where = _where(visit)
    decision = _decision(visit, id, visit.form.get("digest", ""), visit.form.get("revision", ""))
    following = await shelves.next_after(visit.deps, visit.person, id, where.query)
    [taken] = await holding.hold(visit.deps, [decision])
    if isinstance(taken, NotFound):
        raise taken
    if isinstance(taken, ApprovalError):
        card = await cards.card(visit, id)
        return await cards.page(visit, where, card, status=problems.of(taken).status, error=str(taken))
    return visit.go(where.url if following is None else where.request_url(following), _told(taken))


async def several(visit: Visit) -> Response:
    """What is about to be decided on together, for a last look."""
    verdict = _verdict(visit.query("decision"))
    chosen = [cards.request_id(value) for value in visit.request.query_params.getlist("id")]
    shown = await asyncio.gather(*(cards.card(visit, id) for id in dict.fromkeys(chosen[:_SEVERAL])))
    where = asked(visit.request.query_params)
    return visit.page("several.html", section="inbox", cards=shown, verdict=verdict, where=where)


async def decide_several(visit: Visit) -> Response:
    """Takes the same decision on several requests; one that is refused stops none of the others."""
    choices = [choice.split(" ") for choice in visit.form_list("choice")[:_SEVERAL]]
    decisions = [
        _decision(visit, cards.request_id(id), *(shown if len(shown) == 2 else ("", ""))) for id, *shown in choices
    ]
    results = await holding.hold(visit.deps, decisions)
    where = _where(visit)
    refused = [str(result) for result in results if isinstance(result, ApprovalError)]
    if not refused:
        return visit.go(where.url)
    told = f"{len(results) - len(refused)} of {len(results)} decided. Refused: {'; '.join(sorted(set(refused)))}."
    return visit.go(where.url, told, "warn")


async def undo(visit: Visit) -> Response:
    """Takes back what was decided and has no effect yet."""
    ids = [cards.request_id(value) for value in visit.form_list("id")]
    undone = await holding.undo(visit.deps, ids, cards.subject(visit))
    where = _where(visit)
    if not undone:
        return visit.go(where.url, "It was too late to undo: the decision has taken effect.", "warn")
    if len(undone) > 1:
        return visit.go(where.url, f"{len(undone)} decisions undone.")
    return visit.go(where.request_url(undone[0].approval_id), "Undone: nothing has been decided.")


async def told(visit: Visit) -> Response:
    """Puts away what came of decisions that were too late."""
    await holding.told(visit.deps, [cards.request_id(id) for id in visit.form_list("id")], cards.subject(visit))
    return visit.go(_where(visit).url)


def _where(visit: Visit) -> Asked:
    """The list that a form was beside."""
    return asked(dict(parse_qsl(visit.form.get("list", ""))))


def _decision(visit: Visit, id: UUID, digest: str, revision: str) -> Decision:
    """The decision that a form is on a request, as that was shown.

    Raises:
        Unfit: it does not say what was shown, or what is decided.
    """
    if not digest or not revision.isdecimal() or len(revision) > 9:
        raise Unfit("what was shown is not said: open the request again")
    comment = visit.form.get("comment", "").strip()
    if len(comment) > _LONGEST_COMMENT:
        raise Unfit(f"comment: longer than {_LONGEST_COMMENT} characters")
    caller = visit.caller
    return Decision(
        approval_id=id,
        verdict=_verdict(visit.form.get("decision", "")),
        actor=caller.actor,
        channel="inbox",
        comment=comment or None,
        digest=digest,
        revision=int(revision),
        roles=caller.roles,
        subject=caller.subject,
    )


def _verdict(text: str) -> Verdict:
    """What was decided.

    Raises:
        Unfit: neither to approve nor to reject.
    """
    verdicts: tuple[Verdict, ...] = get_args(Verdict)
    for verdict in verdicts:
        if text == verdict:
            return verdict
    raise Unfit("a decision is approve or reject")


def _told(taken: Held) -> str | None:
    """What to say of a decision that has taken effect; one that can be undone is shown as long as it can."""
    if taken.state == "held":
        return None
    return "Your vote counts; others are asked, too." if taken.outcome == "pending" else f"It is {taken.outcome}."


ROUTES = [
    Route("/approvals/{id}/decisions", does(decide, "decide", most=_FORM), methods=["POST"]),
    Route("/inbox/several", shows(several, "decide"), methods=["GET"]),
    Route("/inbox/decisions", does(decide_several, "decide", most=_FORM), methods=["POST"]),
    Route("/inbox/undo", does(undo, "read"), methods=["POST"]),
    Route("/inbox/told", does(told, "read"), methods=["POST"]),
]
