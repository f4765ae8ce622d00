"""The operations on policies, on open approvals, and on who stands in for whom."""

from collections.abc import Sequence

from placet_approval.api import policy_schemas as schemas
from placet_approval.api.endpoints import Call, Endpoint
from placet_approval.api.schemas import ApprovalView, Progress
from placet_approval.api.services import approval_id, of, uuid_of
from placet_approval.domain import NotFound
from placet_approval.handlers import delegations, explaining, operating, policies
from placet_contracts.base import Model


async def explain_approval(call: Call) -> Model:
    """Say whether somebody can decide on an approval and why, what it needs still, and what its deadline brings."""
    query: schemas.ExplainQuery = call.query
    own = query.actor in (None, call.caller.actor)
    found = await explaining.explain(
        of(call).deps,
        approval_id(call),
        query.actor or call.caller.actor,
        call.caller.roles if own else None,
        bootstrap=call.caller.bootstrap and own,
    )
    approval = found.approval
    return schemas.Explanation(
        approval_id=approval.id,
        status=approval.status,
        revision=approval.revision,
        actor=found.actor,
        person=found.person,
        may_decide=found.may_decide,
        reason=found.reason,
        why=found.why,
        on_behalf_of=found.on_behalf_of,
        progress=[Progress.model_validate(each) for each in approval.asked_progress],
        rules=[schemas.Rule.model_validate(rule) for rule in approval.asked.rules],
        expires_at=approval.expires_at,
        on_deadline=approval.on_deadline,
        coming=[schemas.Coming.model_validate(each) for each in found.coming],
    )


async def reassign_approval(call: Call) -> Model:
    """Put somebody in another's place on an open approval. Recorded; pages that were shown before are stale."""
    body: schemas.Reassign = call.body
    approval = await operating.put_in_place(
        of(call).deps,
        approval_id(call),
        call.caller.actor,
        who=body.from_,
        to=body.to,
        comment=body.comment,
        revision=body.revision,
    )
    return ApprovalView.model_validate(approval)


async def reevaluate_approval(call: Call) -> Model:
    """Ask on an open approval what its author and the policies ask now. Recorded; votes that were cast stay."""
    body: schemas.Reevaluate = call.body
    approval = await operating.evaluate_again(of(call).deps, approval_id(call), call.caller.actor, body.comment)
    return ApprovalView.model_validate(approval)


async def list_policies(call: Call) -> Model:
    """List the policies in force, by name."""
    return _list(await policies.listed(of(call).deps))


async def get_policy(call: Call) -> Model:
    """Get all versions of a policy, the newest first."""
    return _list(await policies.versions(of(call).deps, _name(call)))


async def put_policy(call: Call) -> Model:
    """Put a policy in force for what opens from now on. Saying what is in force already changes nothing."""
    body: schemas.PutPolicy = call.body
    return _view(await policies.put(of(call).deps, body.policy, call.caller.actor, body.version))


async def end_policy(call: Call) -> Model:
    """Take a policy out of force. What opened under it keeps its terms."""
    return _view(await policies.end(of(call).deps, _name(call), call.caller.actor))


async def test_policy(call: Call) -> Model:
    """Try a draft on approvals of the past, and list each that would have gone otherwise. Changes nothing."""
    body: schemas.TestPolicy = call.body
    async with of(call).deps.pool.acquire() as conn:
        found = await policies.test(conn, body.policy, body.limit)
    return schemas.PolicyReport(
        tried=found.tried,
        differences=[
            schemas.Difference(
                approval_id=each.approval.id,
                workflow=each.approval.workflow,
                gate=each.approval.gate,
                opened_at=each.approval.opened_at,
                status=each.approval.status,
                resolved_by=each.approval.resolved_by,
                kind=each.difference.kind,
                why=each.difference.why,
            )
            for each in found.otherwise
        ],
    )


async def list_delegations(call: Call) -> Model:
    """List who stands in for whom, now and later."""
    found = await delegations.listed(of(call).deps)
    return schemas.DelegationList(items=[schemas.DelegationView.model_validate(each) for each in found])


async def add_delegation(call: Call) -> Model:
    """Have somebody stand in for another for some time: for oneself, or for anybody as an admin."""
    body: schemas.Delegate = call.body
    made = await delegations.add(
        of(call).deps, call.caller, body.principal, body.delegate, (body.starts_at, body.ends_at)
    )
    return schemas.DelegationView.model_validate(made)


async def end_delegation(call: Call) -> Model:
    """End it at once."""
    ended = await delegations.end(of(call).deps, call.caller, uuid_of(call, "delegation"))
    return schemas.DelegationView.model_validate(ended)


ENDPOINTS: Sequence[Endpoint] = (
    Endpoint(
        "GET",
        "/v1/approvals/{id}/explain",
        "read",
        explain_approval,
        schemas.Explanation,
        query=schemas.ExplainQuery,
        problems=(404, 422),
    ),
    Endpoint(
        "POST",
        "/v1/approvals/{id}/reassign",
        "manage",
        reassign_approval,
        ApprovalView,
        body=schemas.Reassign,
        problems=(404, 409, 413, 422),
    ),
    Endpoint(
        "POST",
        "/v1/approvals/{id}/reevaluate",
        "manage",
        reevaluate_approval,
        ApprovalView,
        body=schemas.Reevaluate,
        problems=(404, 409, 413, 422),
    ),
    Endpoint("GET", "/v1/policies", "manage", list_policies, schemas.PolicyList),
    Endpoint(
        "POST",
        "/v1/policies",
        "manage",
        put_policy,
        schemas.PolicyView,
        body=schemas.PutPolicy,
        problems=(409, 413, 422),
    ),
    Endpoint("GET", "/v1/policies/{id}", "manage", get_policy, schemas.PolicyList, problems=(404,)),
    Endpoint("DELETE", "/v1/policies/{id}", "manage", end_policy, schemas.PolicyView, problems=(404,)),
    Endpoint(
        "POST",
        "/v1/policy-tests",
        "manage",
        test_policy,
        schemas.PolicyReport,
        body=schemas.TestPolicy,
        problems=(413, 422),
    ),
    Endpoint("GET", "/v1/delegations", "read", list_delegations, schemas.DelegationList),
    Endpoint(
        "POST",
        "/v1/delegations",
        "decide",
        add_delegation,
        schemas.DelegationView,
        body=schemas.Delegate,
        status=201,
        problems=(413, 422),
    ),
    Endpoint("DELETE", "/v1/delegations/{id}", "decide", end_delegation, schemas.DelegationView, problems=(404,)),
)


def _list(found: Sequence[object]) -> schemas.PolicyList:
    return schemas.PolicyList(items=[_view(each) for each in found])


def _view(policy: object) -> schemas.PolicyView:
    return schemas.PolicyView.model_validate(policy)


def _name(call: Call) -> str:
    text: str = call.request.path_params["id"]
    if "\0" in text:  # Postgres takes none
        raise NotFound("policy", repr(text))
    return text
