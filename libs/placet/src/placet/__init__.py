"""Durable human approval for Python workflows.

::

    app = Placet()

    @app.workflow("delete-user")
    async def delete_user(ctx: Context, input: DeleteUser) -> Deleted | Interrupt:
        if not ctx.approved:
            return Interrupt.approval(message=f"Delete {input.user_id}?", destination=Email("ana@example.com"))
        ...
"""

from typing import TYPE_CHECKING

from placet.amqp import publish_start
from placet.app import Placet, Workflow
from placet.context import Context, SyncContext
from placet.errors import (
    AppError,
    ApprovalRefused,
    DuplicateStep,
    GateAlreadyResolved,
    NotRetryable,
    PlacetError,
)
from placet.interrupts import Interrupt
from placet.journal import Approval
from placet.policies import Escalation, Group, Hours, Quorum, Stage, User
from placet_contracts.destinations import Destination, Email, Slack, Webhook

if TYPE_CHECKING:
    from placet.client import PlacetClient

__version__ = "0.1.0"

__all__ = [
    "Placet",
    "Workflow",
    "Context",
    "SyncContext",
    "Interrupt",
    "Approval",
    "Destination",
    "Email",
    "Slack",
    "Webhook",
    "User",
    "Group",
    "Quorum",
    "Stage",
    "Escalation",
    "Hours",
    "AppError",
    "ApprovalRefused",
    "DuplicateStep",
    "GateAlreadyResolved",
    "NotRetryable",
    "PlacetError",
    "PlacetClient",
    "publish_start",
    "__version__",
]


def __getattr__(name: str) -> object:
    """The client on its first use: an HTTP library is much to import for those who only register workflows."""
    if name == "PlacetClient":
        from placet.client import PlacetClient

        return PlacetClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
