"""The operations of the REST API."""

from collections.abc import Sequence
from uuid import UUID

from pydantic_core import to_json
from starlette.responses import Response
from uuid_utils.compat import uuid7

from placet_approval.admission import Admission
from placet_approval.api import paging, people, policies, problems, quarantine, schemas, workflows
from placet_approval.api.endpoints import Call, Endpoint, respond
from placet_approval.api.services import approval_id, of
from placet_approval.domain import Decision, NotFound, Run, Start
from placet_approval.handlers import reading, sealing
from placet_approval.handlers import runs as run_handlers
from placet_contracts.base import Model
from placet_contracts.events import ENDED, MAX_INPUT


async def start_run(call: Call) -> Model | Response:
    """Start a run. Answered once it is durable, or, with ``wait``, has ended; honours Idempotency-Key."""
    body: schemas.StartRun = call.body
    key = call.request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= 255:
        return problems.respond(problems.bad_header("Idempotency-Key", "1 to 255 characters"))
    input = to_json(body.input)
    if len(input) > MAX_INPUT:  # numbers may be longer than they were written
        return problems.too_large(MAX_INPUT)
    start = Start(
        run_id=body.run_id or str(uuid7()),
        workflow=body.workflow,
        version=body.version,
        input=input.decode(),
        started_by=call.caller.actor,
        idempotency_key=key,
    )
    services = of(call)
    admission: Admission = call.request.state.admission
    query: schemas.RunWaitQuery = call.query
    run: Run | None = None

    async def look() -> Run:
        nonlocal run
        if run is None:
            with admission.committing(len(input)):
                run = await services.start.submit(start)
        else:
            run = await services.run.submit(start.run_id)
        return run

    def done(run: Run) -> bool:
        return run.id != start.run_id or _is_reached(run, query.until)

    run = await services.waits.until(start.run_id, query.wait, look, done)
    if run.id != start.run_id:  # it was started before, with this key
        run = await _wait(call, run.id)
    return respond(schemas.RunView.model_validate(run), 202, {"Location": f"/v1/runs/{run.id}"})


async def list_runs(call: Call) -> Model | Response:
    """List runs, the newest first."""
    query: schemas.RunsQuery = call.query
    try:
        after = paging.after(query.cursor, str)
    except ValueError:
        return problems.bad_cursor()
    found = await reading.list_runs(
        of(call).deps,
        workflow=query.workflow,
        status=query.status,
        parked=query.parked,
        after=after,
        limit=query.limit + 1,
    )
    items, cursor = paging.page([(run, run.created_at, run.id) for run in found], query.limit)
    page = schemas.RunPage(items=[schemas.RunView.model_validate(run) for run in items], next_cursor=cursor)
    return respond(page, headers=paging.link(call, cursor))


async def get_run(call: Call) -> Model:
    """Get a run; with ``wait``, once it has ended (or, with ``until=paused``, waits for a decision)."""
    return schemas.RunView.model_validate(await _wait(call, _run_id(call)))


async def cancel_run(call: Call) -> Model:
    """Cancel a run; its pending approvals end as cancelled at once."""
    run = await run_handlers.cancel(of(call).deps, _run_id(call), call.caller)
    return schemas.RunView.model_validate(run)


async def list_approvals(call: Call) -> Model | Response:
    """List approvals, the newest first."""
    query: schemas.ApprovalsQuery = call.query
    try:
        after = paging.after(query.cursor, UUID)
    except ValueError:
        return problems.bad_cursor()
    found = await reading.list_approvals(
        of(call).deps,
        status=query.status,
        run_id=query.run_id,
        workflow=query.workflow,
        after=after,
        limit=query.limit + 1,
    )
    items, cursor = paging.page([(approval, approval.opened_at, approval.id) for approval in found], query.limit)
    page = schemas.ApprovalPage(items=[schemas.ApprovalView.model_validate(item) for item in items], next_cursor=cursor)
    return respond(page, headers=paging.link(call, cursor))


async def get_approval(call: Call) -> Model:
    """Get an approval; with ``wait``, once it is resolved."""
    query: schemas.WaitQuery = call.query
    services = of(call)
    id = approval_id(call)
    approval = await services.waits.until(
        str(id),
        query.wait,
        lambda: services.approval.submit(id),
        lambda approval: approval.status != "pending",
    )
    return schemas.ApprovalView.model_validate(approval)


async def decide(call: Call) -> Model:
    """Decide on an approval. Where it asks for several people this is one vote, and may leave it pending; ``progress``
    says what is missing. The same decision by the same actor again is no error."""
    body: schemas.Decide = call.body
    approval = await of(call).decide.submit(
        Decision(
            approval_id=approval_id(call),
            verdict=body.decision,
            actor=call.caller.actor,
            channel="api",
            comment=body.comment,
            digest=body.digest,
            revision=body.revision,
            roles=call.caller.roles,
            subject=call.caller.subject,
            bootstrap=call.caller.bootstrap,
        )
    )
    return schemas.ApprovalView.model_validate(approval)


async def audit_head(call: Call) -> Model:
    """Get the head of the audit's chain, signed."""
    return schemas.AuditHead.model_validate(await sealing.get_head(of(call).deps))


ENDPOINTS: Sequence[Endpoint] = (
    Endpoint(
        "POST",
        "/v1/runs",
        "start",
        start_run,
        schemas.RunView,
        body=schemas.StartRun,
        query=schemas.RunWaitQuery,
        status=202,
        problems=(409, 410, 413, 422),
        headers=("Idempotency-Key",),
        sheds=True,
    ),
    Endpoint("GET", "/v1/runs", "read", list_runs, schemas.RunPage, query=schemas.RunsQuery, problems=(422,)),
    Endpoint(
        "GET", "/v1/runs/{id:path}", "read", get_run, schemas.RunView, query=schemas.RunWaitQuery, problems=(404, 422)
    ),
    Endpoint(
        "POST", "/v1/runs/{id:path}/cancel", "cancel", cancel_run, schemas.RunView, status=202, problems=(404, 409)
    ),
    Endpoint(
        "GET",
        "/v1/approvals",
        "read",
        list_approvals,
        schemas.ApprovalPage,
        query=schemas.ApprovalsQuery,
        problems=(422,),
    ),
    Endpoint(
        "GET",
        "/v1/approvals/{id}",
        "read",
        get_approval,
        schemas.ApprovalView,
        query=schemas.WaitQuery,
        problems=(404, 422),
    ),
    Endpoint(
        "POST",
        "/v1/approvals/{id}/decisions",
        "decide",
        decide,
        schemas.ApprovalView,
        body=schemas.Decide,
        problems=(404, 409, 413, 422),
    ),
    Endpoint("GET", "/v1/audit/head", "audit", audit_head, schemas.AuditHead),
    *workflows.ENDPOINTS,
    *policies.ENDPOINTS,
    *quarantine.ENDPOINTS,
    *people.ENDPOINTS,
)


async def _wait(call: Call, run_id: str) -> Run:
    query: schemas.RunWaitQuery = call.query
    services = of(call)
    return await services.waits.until(
        run_id, query.wait, lambda: services.run.submit(run_id), lambda run: _is_reached(run, query.until)
    )


def _is_reached(run: Run, until: str) -> bool:
    """Whether a run has come to what is waited for."""
    waits = run.status == "paused" and any(approval.status == "pending" for approval in run.approvals)
    return run.status in ENDED or (until == "paused" and waits)


def _run_id(call: Call) -> str:
    text: str = call.request.path_params["id"]
    if "\0" in text:  # Postgres takes none
        raise NotFound("run", repr(text))
    return text
