"""The operations on workflows."""

from collections.abc import Sequence

from placet_approval.api import workflow_schemas as schemas
from placet_approval.api.endpoints import Call, Endpoint
from placet_approval.api.services import of
from placet_approval.domain import NotFound
from placet_approval.handlers import workflows
from placet_contracts.base import Model


async def list_workflows(call: Call) -> Model:
    """List workflows: what can be started, who serves it, and how many runs of it are open."""
    found = await workflows.list_workflows(of(call).deps)
    return schemas.WorkflowList(items=[schemas.WorkflowView.model_validate(each) for each in found])


async def get_workflow(call: Call) -> Model:
    """Get a workflow with all its versions."""
    name: str = call.request.path_params["id"]
    if "\0" in name:  # Postgres takes none
        raise NotFound("workflow", repr(name))
    return schemas.WorkflowView.model_validate(await workflows.get_workflow(of(call).deps, name))


ENDPOINTS: Sequence[Endpoint] = (
    Endpoint("GET", "/v1/workflows", "read", list_workflows, schemas.WorkflowList),
    Endpoint("GET", "/v1/workflows/{id}", "read", get_workflow, schemas.WorkflowView, problems=(404,)),
)
