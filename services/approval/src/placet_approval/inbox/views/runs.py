"""Runs: the list of them, one with all that happened to it, and the end of one that nobody wants any more."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import get_args
from urllib.parse import urlencode

from pydantic_core import from_json
from starlette.responses import Response
from starlette.routing import Route

from placet_approval.domain import AlreadyEnded, ApprovalError, NotFound, Run
from placet_approval.handlers import reading, workflows
from placet_approval.handlers import runs as handlers
from placet_approval.inbox import timeline
from placet_approval.inbox.addresses import START, run_url
from placet_approval.inbox.chronicle import tell
from placet_approval.inbox.visits import Visit, does, shows, trouble
from placet_approval.live import topic
from placet_approval.store.runs import SEARCHED
from placet_contracts.events import ENDED, RunError, RunStatus

PAGE = 50
_APPROVALS = 200  # of one run, the newest


async def list_runs(visit: Visit) -> Response:
    """Runs, the newest first, as the URL says which."""
    text = visit.query("q").strip()
    try:
        after, status = _place(visit.query("after")), _status(visit.query("status"))
    except ValueError as error:
        return trouble(visit, 422, f"This address does not fit: {error}.")
    parked = visit.query("parked") == "true"
    found = await reading.list_runs(
        visit.deps,
        workflow=visit.query("workflow") or None,
        status=status,
        parked=True if parked else None,
        after=after,
        limit=PAGE + 1,
        text=text or None,
    )
    shown = found[:PAGE]
    asked = {name: visit.query(name).strip() for name in ("workflow", "status", "parked", "q")}
    last = shown[-1] if len(found) > PAGE else None
    return visit.page(
        "runs/list.html",
        section="runs",
        runs=shown,
        asked=asked,
        filtered=any(asked.values()),
        here=_url({**asked, "after": visit.query("after")}),
        first_url=_url(asked) if after is not None else None,
        next_url=None if last is None else _url({**asked, "after": f"{last.created_at.isoformat()}~{last.id}"}),
        names=[workflow.name for workflow in await workflows.list_known(visit.deps)],
        statuses=get_args(RunStatus),
        searched=SEARCHED if text and not (len(shown) == 1 and shown[0].id == text) else None,
        ended=ENDED,
        now=datetime.now(UTC),
    )


async def show_run(visit: Visit) -> Response:
    """One run, and all that happened to it."""
    if visit.request.path_params["id"] == "new" and (where := await _moved(visit)) is not None:
        return where
    run = await _run(visit)
    approvals = await reading.list_approvals(
        visit.deps, status=None, run_id=run.id, workflow=None, after=None, limit=_APPROVALS
    )
    approvals = sorted(approvals, key=lambda approval: approval.opened_at)
    now = datetime.now(UTC)
    chronicle = tell(run, approvals, now)
    return visit.page(
        "runs/run.html",
        section="runs",
        run=run,
        approvals=approvals,
        waits=[approval for approval in approvals if approval.status == "pending"],
        chronicle=chronicle,
        picture=timeline.draw(chronicle.story),
        error=None if run.error is None else RunError.model_validate(from_json(run.error)),
        ended=run.status in ENDED,
        now=now,
        here=run_url(run.id),
        topics=[topic(id) for id in (run.id, *(approval.id for approval in approvals))],
    )


async def cancel_run(visit: Visit) -> Response:
    """Cancel one; what it asked for can be decided no more."""
    run_id = (await _run(visit)).id
    try:
        await handlers.cancel(visit.deps, run_id, visit.caller)
    except AlreadyEnded as error:
        return visit.go(run_url(run_id), told=f"This run had ended before: it is {error.status}.", tone="warn")
    return visit.go(run_url(run_id), told="The run is cancelled.")


async def _moved(visit: Visit) -> Response | None:
    """To where runs are started, for who follows a link from when that was here; a run may have that id as well."""
    query = visit.request.url.query
    if not query and not isinstance((await reading.get_runs(visit.deps, ["new"]))[0], ApprovalError):
        return None
    return visit.go(f"{START}?{query}" if query else START)


async def _run(visit: Visit) -> Run:
    text: str = visit.request.path_params["id"]
    if "\0" in text:  # Postgres takes none
        raise NotFound("run", repr(text))
    found = (await reading.get_runs(visit.deps, [text]))[0]
    if isinstance(found, ApprovalError):
        raise found
    return found


def _status(text: str) -> RunStatus | None:
    """The status that is asked for.

    Raises:
        ValueError: there is no such.
    """
    status: RunStatus | None = next((each for each in get_args(RunStatus) if each == text), None)
    if text and status is None:
        raise ValueError(f"there is no status {text!r}")
    return status


def _url(asked: Mapping[str, str]) -> str:
    said = {name: value for name, value in asked.items() if value}
    return f"/runs?{urlencode(said)}" if said else "/runs"


def _place(text: str) -> tuple[datetime, str] | None:
    """After which run a page goes on.

    Raises:
        ValueError: no page has said so.
    """
    if not text:
        return None
    at, _, run_id = text.partition("~")
    place = datetime.fromisoformat(at)
    if place.tzinfo is None or not run_id:
        raise ValueError("a page begins behind a time and a run")
    return place, run_id


ROUTES = [
    Route("/runs", shows(list_runs), methods=["GET"]),
    Route("/runs/{id:path}/cancel", does(cancel_run, "cancel"), methods=["POST"]),
    Route("/runs/{id:path}", shows(show_run), methods=["GET"]),
]
