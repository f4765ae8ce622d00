"""Registering workflows."""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field, PlainValidator, SecretStr

from placet import Context, Interrupt, Placet, SyncContext
from placet.errors import AppError, UnknownWorkflow, WorkflowExists, WorkflowInvalid

if TYPE_CHECKING:
    from decimal import Decimal

    from placet.context import Context as CheckedOnly


async def handler(ctx: Context, input: int) -> str | Interrupt | None:
    return str(input)


def test_versions_stand_side_by_side() -> None:
    """A name may have many versions; the latest is the highest, whatever the order."""
    app = Placet()
    for version in (10, 2, 9):
        app.workflow("flow", version=version)(handler)
    app.workflow("other", retries=0, timeout=timedelta(minutes=1))(handler)

    assert list(app.workflows) == [("flow", 10), ("flow", 2), ("flow", 9), ("other", 1)]
    assert app.latest("flow").version == 10
    assert (app.latest("other").retries, app.latest("other").timeout) == (0, 60)
    with pytest.raises(UnknownWorkflow, match="no workflow 'flo'; there is flow v10, flow v2, flow v9, other v1"):
        app.latest("flo")


def test_a_handler_stays_callable() -> None:
    """Registering gives the function back as it was."""
    assert Placet().workflow("flow")(handler) is handler


def test_the_same_name_and_version_twice_is_refused() -> None:
    """Two handlers of one name and version: the second is refused where it stands."""
    app = Placet()
    app.workflow("flow", version=2)(handler)

    with pytest.raises(WorkflowExists, match="workflow 'flow' version 2 is registered already"):
        app.workflow("flow", version=2)(handler)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"name": ""}, "name"),
        ({"name": "delete user"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"name": "flow", "version": 0}, "version"),
        ({"name": "flow", "version": "1"}, "version"),
        ({"name": "flow", "version": True}, "version"),
        ({"name": "flow", "retries": -1}, "retries"),
        ({"name": "flow", "retries": 1.5}, "retries"),
        ({"name": "flow", "timeout": 0}, "timeout"),
        ({"name": "flow", "timeout": float("nan")}, "timeout"),
        ({"name": "flow", "timeout": "1m"}, "timeout"),
    ],
)
def test_options_that_do_not_do_are_refused_at_once(options: dict[str, Any], reason: str) -> None:
    """A bad name, version or option is an error where the workflow is registered, not when it runs."""
    with pytest.raises(WorkflowInvalid, match=reason) as raised:
        Placet().workflow(**options)(handler)

    assert isinstance(raised.value, AppError)


async def test_a_handler_takes_a_context_and_an_input() -> None:
    """Anything else than two positional parameters is refused, with what it takes."""

    async def less(ctx: Context) -> None: ...
    async def more(ctx: Context, input: int, more: int = 0) -> None: ...
    async def keyword(ctx: Context, *, input: int) -> None: ...
    async def anything(*args: Any) -> None: ...

    for wrong in (less, more, keyword, anything):
        with pytest.raises(WorkflowInvalid, match=r"takes \(.*\).*, not \(ctx, input\)"):
            Placet().workflow("flow")(wrong)  # type: ignore[type-var]


def test_a_context_of_the_wrong_kind_is_refused() -> None:
    """Async handlers get a Context, others a SyncContext: a mix-up is told when it is registered."""

    async def asynchronous(ctx: SyncContext, input: None) -> None: ...
    def synchronous(ctx: Context[None], input: None) -> None: ...

    with pytest.raises(WorkflowInvalid, match="an async handler is given a Context, not a SyncContext"):
        Placet().workflow("flow")(asynchronous)
    with pytest.raises(WorkflowInvalid, match="a handler that is not async gets a SyncContext, not a Context"):
        Placet().workflow("flow")(synchronous)  # type: ignore[type-var]


def test_types_that_cannot_be_read_are_refused() -> None:
    """An input type without JSON, or a name that is known to type checkers only, is refused with the reason."""

    async def arbitrary(ctx: Context, input: Placet) -> None: ...
    async def unknown(ctx: Context, input: "Decimal") -> None: ...

    with pytest.raises(WorkflowInvalid, match="the type of 'input': Unable to generate pydantic-core schema"):
        Placet().workflow("flow")(arbitrary)
    with pytest.raises(WorkflowInvalid, match="the type of 'input': name 'Decimal' is not defined"):
        Placet().workflow("flow")(unknown)


def test_string_annotations_and_decorated_handlers() -> None:
    """Annotations may be strings, the context's may be for type checkers only, and decorators may wrap a handler."""

    def logged(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any) -> Any:
            return fn(*args)

        return wrapper

    async def quoted(ctx: "CheckedOnly", input: "int") -> "str | Interrupt":
        return str(input)

    app = Placet()
    app.workflow("quoted")(logged(quoted))

    workflow = app.latest("quoted")
    assert workflow.is_async
    assert workflow.input.validate_json("3") == 3
    assert workflow.output.json_schema() == {"type": "string"}


def test_an_interrupt_is_no_part_of_the_output() -> None:
    """The output's type is what a handler returns besides its interrupts."""

    async def only(ctx: Context, input: None) -> Interrupt:
        return Interrupt.approval()

    app = Placet()
    app.workflow("some")(handler)
    app.workflow("none")(only)

    assert app.latest("some").output.json_schema() == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert app.latest("none").output.json_schema() == {"type": "null"}


def test_workflows_cannot_be_changed_from_outside() -> None:
    """The mapping is a view."""
    with pytest.raises(TypeError):
        Placet().workflows["flow", 1] = None  # type: ignore[index]


def test_a_workflow_says_what_it_does_and_takes() -> None:
    """Its description is the first paragraph of the docstring, its input schema that of the annotated type."""

    class Order(BaseModel):
        order_id: int = Field(alias="orderId", description="As printed")
        key: SecretStr = SecretStr("hunter2")
        price: Callable[[], int] | int = lambda: 1  # what has no JSON is left out of the schema

    async def documented(ctx: Context, input: Order) -> None:
        """Does
        one thing.

        And says more.
        """

    async def silent(ctx, input):  # type: ignore[no-untyped-def]
        return input

    app = Placet()
    app.workflow("documented")(documented)
    app.workflow("silent")(silent)
    app.workflow("partial")(functools.partial(documented))

    workflow = app.latest("documented")
    assert workflow.description == "Does one thing."
    assert workflow.input_schema is not None
    assert workflow.input_schema["required"] == ["orderId"]
    assert workflow.input_schema["properties"]["orderId"]["description"] == "As printed"
    assert "hunter2" not in str(workflow.input_schema)
    assert app.latest("silent").description is None
    assert app.latest("silent").input_schema is None
    assert app.latest("partial").description is None


def test_an_input_without_a_schema_has_none() -> None:
    """A type that JSON Schema cannot describe is no obstacle to serving its workflow."""

    class Odd:
        pass

    async def odd(ctx: Context, input: Annotated[Odd, PlainValidator(lambda value: Odd())]) -> None: ...

    app = Placet()
    app.workflow("odd")(odd)

    assert app.latest("odd").input_schema is None
