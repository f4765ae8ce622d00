"""Every error that an author can meet, with its fields."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from placet_contracts.events import Outcome


class CommandError(Exception):
    """What a command answers in one line, without a traceback: the user can mend it."""


class AppError(CommandError):
    """The app cannot be used as it is written or named."""


class WorkflowInvalid(AppError):
    """A workflow is registered with a name, an option or a handler that does not do."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"workflow {name!r}: {reason}")
        self.name = name
        self.reason = reason


class WorkflowExists(AppError):
    """A workflow's name and version are registered already."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"workflow {name!r} version {version} is registered already")
        self.name = name
        self.version = version


class UnknownWorkflow(AppError):
    """The app has no such workflow, or not in that version."""

    def __init__(self, name: str, version: int | None, known: Collection[tuple[str, int]]) -> None:
        wanted = repr(name) if version is None else f"{name!r} version {version}"
        super().__init__(f"there is no workflow {wanted}; there is {_listed(f'{n} v{v}' for n, v in known)}")
        self.name = name
        self.version = version
        self.known = known


class SpecInvalid(AppError):
    """An app is not named as ``module:attribute``."""

    def __init__(self, spec: str) -> None:
        super().__init__(f"{spec!r} does not name an app: write module:attribute, e.g. myproject.workflows:app")
        self.spec = spec


class ModuleNotImportable(AppError):
    """An app's module does not import; the cause is chained."""

    def __init__(self, module: str, reason: str) -> None:
        super().__init__(f"{module} does not import: {reason}")
        self.module = module
        self.reason = reason


class AppNotFound(AppError):
    """An app's module has no such attribute. ``found`` names the apps that it has."""

    def __init__(self, module: str, attribute: str, found: Collection[str]) -> None:
        super().__init__(f"{module} has no {attribute!r}; the apps in it: {_listed(found)}")
        self.module = module
        self.attribute = attribute
        self.found = found


class NotAnApp(AppError):
    """What is named is something else than a `placet.Placet`. ``found`` names the apps of its module."""

    def __init__(self, spec: str, kind: str, found: Collection[str]) -> None:
        super().__init__(f"{spec} is a {kind}, not a Placet; the apps in that module: {_listed(found)}")
        self.spec = spec
        self.found = found


class NoWorkflows(AppError):
    """An app has nothing to run."""

    def __init__(self, spec: str) -> None:
        super().__init__(f"{spec} has no workflows: register them with @app.workflow(...)")
        self.spec = spec


class NotRetryable(Exception):
    """Fails a run at once, whatever retries it has left. Authors may raise it, and derive from it."""


class DuplicateStep(NotRetryable):
    """A step's name was used before in the same pass: the second would get the first one's result."""

    def __init__(self, step: str) -> None:
        super().__init__(f"the step {step!r} is there twice: name each one differently")
        self.step = step


class StepNameInvalid(NotRetryable):
    """A step's name is no printable text of 1 to 200 characters."""

    def __init__(self, step: object) -> None:
        super().__init__(f"{step!r:.100} is no name for a step: take 1 to 200 printable characters")
        self.step = step


class StepResultInvalid(NotRetryable):
    """A step's result cannot be stored as JSON, or read back as what its function says that it returns."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"the result of the step {step!r} cannot be stored and read back: {reason}")
        self.step = step
        self.reason = reason


class InterruptInStep(NotRetryable):
    """A step asked for approval."""

    def __init__(self, step: str) -> None:
        super().__init__(f"interrupts belong to the handler, not to a step: {step!r}")
        self.step = step


class GateAlreadyResolved(NotRetryable):
    """A handler asked again at a gate that has its answer."""

    def __init__(self, gate: str, outcome: Outcome) -> None:
        super().__init__(
            f"the gate {gate!r} is {outcome} already: look at ctx.approval({gate!r}) before asking, "
            "or name a second gate differently"
        )
        self.gate = gate
        self.outcome = outcome


class ApprovalRefused(NotRetryable):
    """A required approval was rejected, or nobody decided in time. ``comment`` is the decider's."""

    def __init__(self, gate: str, outcome: Outcome, resolved_by: str, comment: str | None) -> None:
        super().__init__(f"the gate {gate!r} is {outcome} by {resolved_by}" + (f": {comment}" if comment else ""))
        self.gate = gate
        self.outcome = outcome
        self.resolved_by = resolved_by
        self.comment = comment


class PassOver(BaseException):
    """Ends a thread or task that a pass has left behind, at its next use of the context.

    Not an ``Exception``, so that a handler's ``except Exception`` does not let it go on.
    """

    def __init__(self) -> None:
        super().__init__("this pass is over: it timed out, was cancelled, or its handler returned")


class PlacetError(Exception):
    """The API answered with a problem (RFC 9457). ``problem`` is its whole JSON object."""

    def __init__(self, status: int, type: str, title: str, detail: str, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {title}: {detail}" if detail else f"{status} {title}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.problem = problem


class Unauthorized(PlacetError):
    """The key is missing, unknown or revoked, or may not do this."""


class NotFound(PlacetError):
    """There is no such run or approval."""


class Conflict(PlacetError):
    """It is otherwise already: decided, ended, started with another content, or ended long ago and deleted."""


class Invalid(PlacetError):
    """The request does not fit; ``problem["errors"]`` says which fields."""


class Unavailable(PlacetError):
    """The API has too much to do, or does not reach its database; ``retry_after`` is in seconds, where it says so."""

    def __init__(
        self,
        status: int,
        type: str,
        title: str,
        detail: str,
        problem: Mapping[str, Any],
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, type, title, detail, problem)
        self.retry_after = retry_after


class Unreachable(ConnectionError):
    """The API or the broker does not answer; whether the request had an effect is not known."""


class Unroutable(Exception):
    """The broker has no queue for a start: no executor has ever run in this namespace."""

    def __init__(self, namespace: str, reason: str) -> None:
        super().__init__(f"nobody takes starts in the namespace {namespace!r}: {reason}")
        self.namespace = namespace


class NotPending(Exception):
    """A trial's run was to be decided on, and does not wait for a decision."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"{run_id} waits for no decision: it is {status}")
        self.run_id = run_id
        self.status = status


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
