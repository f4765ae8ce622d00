"""The registry of an author's workflows."""

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeVar, get_origin

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from placet import values
from placet.context import Context, SyncContext
from placet.errors import UnknownWorkflow, WorkflowExists, WorkflowInvalid
from placet.values import Shape
from placet_contracts.events import Version, WorkflowName

Handler = TypeVar(
    "Handler", bound=Callable[[Context[Any], Any], Awaitable[Any]] | Callable[[SyncContext[Any], Any], Any]
)

_NAME: TypeAdapter[str] = TypeAdapter(WorkflowName)
_VERSION: TypeAdapter[int] = TypeAdapter(Version)


@dataclass(frozen=True, slots=True)
class Workflow:
    """One version of a workflow."""

    name: str
    version: int
    retries: int  # after the first attempt
    timeout: float | None  # seconds, of each pass
    handler: Callable[..., Any]
    input: Shape
    output: Shape
    is_async: bool

    @property
    def description(self) -> str | None:
        """The first paragraph of its handler's docstring, in one line."""
        handler = inspect.unwrap(self.handler)
        text = inspect.getdoc(handler) if inspect.isroutine(handler) else None
        return " ".join((text or "").partition("\n\n")[0].split()) or None

    @property
    def input_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of its input; ``None`` where any input does, or its type has none."""
        try:
            return self.input.json_schema(schema_generator=_SchemaWithoutWarnings) or None
        except PydanticUserError:
            return None


class _SchemaWithoutWarnings(GenerateJsonSchema):
    """What a schema cannot say, such as a default that has no JSON, is left out of it."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Nobody could mend it at run time."""


class Placet:
    """The workflows of an app. An executor serves all that are registered when it starts."""

    def __init__(self) -> None:
        self._workflows: dict[tuple[str, int], Workflow] = {}

    @property
    def workflows(self) -> Mapping[tuple[str, int], Workflow]:
        """By name and version."""
        return MappingProxyType(self._workflows)

    def latest(self, name: str) -> Workflow:
        """The highest version of a workflow.

        Raises:
            UnknownWorkflow: there is none of that name.
        """
        versions = [version for known, version in self._workflows if known == name]
        if not versions:
            raise UnknownWorkflow(name, None, self._workflows.keys())
        return self._workflows[name, max(versions)]

    def workflow(
        self, name: str, version: int = 1, *, retries: int = 3, timeout: timedelta | float | None = None
    ) -> Callable[[Handler], Handler]:
        """Register a handler: ``(ctx, input) -> output``, or an `Interrupt`.

        Input and output are of the annotated types: pydantic models, dataclasses, TypedDicts, plain JSON. A handler
        that is not async runs in a thread and is given a `SyncContext`. A pass that raises is tried ``retries`` times
        more; ``timeout`` is for each pass, in seconds. A run stays with its version for life.

        Raises:
            WorkflowExists: name and version are registered already.
            WorkflowInvalid: the name, an option or the handler does not do.
        """

        def register(handler: Handler) -> Handler:
            workflow = _workflow(name, version, retries, timeout, handler)
            if (name, version) in self._workflows:
                raise WorkflowExists(name, version)
            self._workflows[name, version] = workflow
            return handler

        return register


def _workflow(
    name: str, version: int, retries: int, timeout: timedelta | float | None, handler: Callable[..., Any]
) -> Workflow:
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise WorkflowInvalid(name, f"name: {error.errors()[0]['msg']}") from None
    try:
        _VERSION.validate_python(version)
    except ValidationError as error:
        raise WorkflowInvalid(name, f"version: {error.errors()[0]['msg']}") from None
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise WorkflowInvalid(name, "retries: a whole number, 0 or more")
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0 and math.isfinite(seconds)):
        raise WorkflowInvalid(name, "timeout: a timedelta or seconds, more than 0")
    is_async = inspect.iscoroutinefunction(inspect.unwrap(handler))
    context, input = _parameters(name, handler)
    _check_context(name, handler, context, is_async)
    return Workflow(
        name=name,
        version=version,
        retries=retries,
        timeout=seconds,
        handler=handler,
        input=_shape(name, handler, input),
        output=_shape(name, handler, "return"),
        is_async=is_async,
    )


def _parameters(name: str, handler: Callable[..., Any]) -> tuple[str, str]:
    parameters = list(inspect.signature(handler).parameters.values())
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(parameters) != 2 or len(positional) != 2:
        raise WorkflowInvalid(name, f"its handler takes {inspect.signature(handler)}, not (ctx, input)")
    return positional[0].name, positional[1].name


def _check_context(name: str, handler: Callable[..., Any], parameter: str, is_async: bool) -> None:
    try:
        hint = values.annotation(handler, parameter)
    except NameError:  # imported for type checkers only
        return
    kind = get_origin(hint) or hint
    if kind is (SyncContext if is_async else Context):
        given = "an async handler is given a Context" if is_async else "a handler that is not async gets a SyncContext"
        raise WorkflowInvalid(name, f"{given}, not a {kind.__name__}")


def _shape(name: str, handler: Callable[..., Any], annotated: str) -> Shape:
    try:
        hint = values.annotation(handler, annotated)
        return values.shape(values.without_interrupt(hint) if annotated == "return" else hint)
    except Exception as error:
        raise WorkflowInvalid(name, f"the type of {annotated!r}: {values.reason(error)}") from error
