"""Starting a run from a form, which is made of the workflow's input schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pydantic_core import from_json, to_json
from starlette.responses import Response
from uuid_utils.compat import uuid7

from placet_approval.admission import Admission
from placet_approval.api import problems
from placet_approval.catalogue import Version, Workflow
from placet_approval.domain import ApprovalError, KeyReused, NotFound, Run, Start
from placet_approval.handlers import reading, workflows
from placet_approval.inbox.addresses import START, run_url
from placet_approval.inbox.forms.checking import check
from placet_approval.inbox.forms.fields import MISSING, Field, form
from placet_approval.inbox.forms.filling import fill, holds
from placet_approval.inbox.forms.showing import show
from placet_approval.inbox.routing import both
from placet_approval.inbox.visits import Visit, does, shows
from placet_contracts.events import MAX_INPUT

_LONGEST_KEY = 100  # characters


@dataclass(frozen=True, slots=True)
class Target:
    """What a form starts. ``known`` and ``version``: as executors tell of it; a run can be run again without them."""

    name: str
    number: int | None
    known: Workflow | None
    version: Version | None
    before: Run | None  # that is run again

    @property
    def schema(self) -> Any:
        """Of its input; ``None`` where nothing is known of it."""
        text = None if self.version is None else self.version.input_schema
        return None if text is None else from_json(text)

    @property
    def url(self) -> str:
        asked = {"workflow": self.name, "version": self.number or "", "from": "" if not self.before else self.before.id}
        return f"{START}?{urlencode({name: value for name, value in asked.items() if value})}"


async def new_run(visit: Visit) -> Response:
    """What can be started; with ``workflow`` the form for it, with ``from`` as that run was started."""
    asked = {name: visit.query(name) for name in ("workflow", "version", "from")}
    if not asked["workflow"] and not asked["from"]:
        return visit.page("runs/choose.html", section="runs", workflows=await workflows.list_known(visit.deps))
    target = await _target(visit, asked)
    made = form(target.schema, as_json=visit.query("as") == "json")
    value = MISSING
    if target.before is not None and target.before.input is not None:
        value = from_json(target.before.input)
        made = made if holds(made, value) else form(target.schema, as_json=True)
    return _page(visit, target, made, fill(made, value), {})


async def start_run(visit: Visit) -> Response:
    """Start it; once, however often the form is sent."""
    posted = visit.form
    target = await _target(visit, posted)
    made = form(target.schema, as_json=posted.get("as") == "json")
    found = check(made, target.schema, posted)
    errors, key = dict(found.errors), posted.get("key", "")
    input = to_json(found.value)
    if len(input) > MAX_INPUT:
        errors.setdefault(made.name, f"An input has at most {MAX_INPUT // 1024 // 1024} MiB as JSON.")
    if not 0 < len(key) <= _LONGEST_KEY:
        errors.setdefault(made.name, "This form is not complete: open it again.")
    if errors:
        return _page(visit, target, made, posted, errors, status=422, key=key)
    start = Start(
        run_id=str(uuid7()),
        workflow=target.name,
        version=target.number,
        input=input.decode(),
        started_by=visit.caller.actor,
        idempotency_key=key,
    )
    try:
        run = await _start(visit, start)
    except KeyReused:
        refusal = "this form was sent before, with something else in it: send it once more to start another run"
        return _page(visit, target, made, posted, {}, status=409, refusal=refusal)
    except ApprovalError as error:
        status = problems.of(error).status
        answer = _page(visit, target, made, posted, {}, status=status, refusal=str(error), key=key)
        answer.headers.update(problems.headers(error))
        return answer
    return visit.go(run_url(run.id), told="The run is started.")


async def _start(visit: Visit, start: Start) -> Run:
    """As the API does it, load being shed alike."""
    admission: Admission = visit.request.state.admission
    admission.check(len(start.input))
    with admission.committing(len(start.input)):
        return await visit.services.start.submit(start)


def _page(
    visit: Visit,
    target: Target,
    made: Field,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    status: int = 200,
    refusal: str | None = None,
    key: str | None = None,
) -> Response:
    """The form. By its ``key`` it is known again when it is sent twice; without one it gets a new one."""
    return visit.page(
        "runs/new.html",
        section="runs",
        status=status,
        target=target,
        form=show(made, typed, errors),
        errors=[(field, errors[field.name]) for field in made.walk() if field.name in errors],
        as_json=made.kind == "json" and form(target.schema).kind != "json",
        could_be_json=made.kind != "json",
        before_url=None if target.before is None else run_url(target.before.id),
        refusal=refusal,
        key=key or str(uuid7()),
        now=datetime.now(UTC),
    )


async def _target(visit: Visit, asked: Mapping[str, str]) -> Target:
    """What is asked for: of a workflow the version of that number, or the one that is taken where none is named.

    Raises:
        NotFound: nobody has ever served it, and it is not that of a run that is run again.
    """
    before = await _run(visit, asked["from"]) if asked.get("from") else None
    name = asked.get("workflow") or (before.workflow if before is not None else "")
    text = asked.get("version") or str((before is not None and before.version) or "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise NotFound("version", f"{text!r} of {name}")
    number = int(text) if text else None
    known = next(iter(await workflows.list_known(visit.deps, name)), None)
    version = known.version(number) if known is not None else None
    again = before is not None and (before.workflow, before.version) == (name, number)
    if version is None and not again:
        raise NotFound("workflow", repr(name) if number is None else f"{name!r} in version {number}")
    return Target(name, version.version if version is not None else number, known, version, before)


async def _run(visit: Visit, run_id: str) -> Run:
    found = (await reading.get_runs(visit.deps, [run_id.replace("\0", "")]))[0]
    if isinstance(found, ApprovalError):
        raise found
    return found


ROUTES = [
    both(START, shows(new_run, "start"), does(start_run, "start", most=2 * MAX_INPUT)),
]
