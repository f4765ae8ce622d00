"""What an executor tells of the workflows that it serves."""

from typing import Annotated, Any, Literal

from pydantic import Field
from structlog.testing import capture_logs

from placet import Context, Placet
from placet_executor.handlers.serving import catalogue


async def test_what_is_told_is_bounded() -> None:
    """A schema that is too large is left out, and the log names it; a long description is cut."""
    app = Placet()

    @app.workflow("large")
    async def large(ctx: Context, input: Annotated[str, Field(description="x" * 70_000)]) -> None: ...

    async def handler(ctx: Context, input: Literal["a", "b"]) -> None: ...

    handler.__doc__ = "word " * 1000
    app.workflow("small")(handler)

    with capture_logs() as logs:
        told = {workflow.name: workflow for workflow in catalogue(app)}

    assert told["large"].input_schema is None
    assert [(line["event"], line["workflow"]) for line in logs] == [("workflow.schema_too_large", "large")]
    assert told["small"].input_schema == {"enum": ["a", "b"], "type": "string"}
    assert told["small"].description is not None
    assert len(told["small"].description) == 1000


async def test_all_schemas_together_are_bounded() -> None:
    """What many versions would say is no more than a message can hold; the first ones are told."""
    app = Placet()
    for version in range(1, 31):

        async def handler(ctx: Context, input: Annotated[Any, Field(description="x" * 60_000)]) -> None: ...

        app.workflow("many", version=version)(handler)

    with capture_logs():
        told = catalogue(app)

    assert len(told) == 30
    assert [workflow.version for workflow in told if workflow.input_schema is not None] == list(range(1, 18))
