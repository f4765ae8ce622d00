"""What the guides and examples say is so: their code runs, their commands exist, their tables are those of the code."""

import importlib.util
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr, TypeAdapter
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

import placet.cli
import placet_approval.app
import placet_executor.app
import placet_notifier.app
from kit.stack import deployment
from placet import Placet
from placet.testing import Trial, TrialRun
from placet_approval.api import problems
from placet_approval.domain import MAY, Action, Caller, Role
from placet_approval.inbox.routes import ROUTES as INBOX
from placet_approval.settings import Settings as ApprovalSettings
from placet_contracts import cloudevents
from placet_contracts.destinations import Destination
from placet_contracts.events import WorkflowStart
from placet_executor.settings import Settings as ExecutorSettings
from placet_notifier.settings import Settings as NotifierSettings
from placet_runtime.settings import ServiceSettings

SERVICES = (
    placet_approval.app,
    placet_executor.app,
    placet_notifier.app,
)  # imported, they have registered their metrics
ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples/README.md",
]

WRITING, DECIDING, OPERATING = (
    (ROOT / "docs" / "guides" / f"{name}.md").read_text("utf-8")
    for name in ("writing-workflows", "deciding", "operating")
)

EMAIL = {"type": "email", "email": "ana@example.com"}
# By workflow, of the guide: an input, and the output once everything was approved.
WORKFLOWS: dict[str, tuple[Any, Any]] = {
    "delete-user": ({"user_id": "ada"}, "deleted ada"),
    "close-accounts": (["ada", "bo"], [42, 42]),
    "sign-contract": ({"partner": "Acme", "euros": 25_000}, "signed, says ana: fine"),
    "expense": ({"manager": EMAIL, "euros": 120}, "paid"),
    "publish": ("a post", "published"),
    "backup": ("db1", "done"),
    "pay": (120, "paid"),
    "report": ("17", "sent"),
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading or another text."""
    lines = iter(text[text.index(heading) :].splitlines())
    table: list[list[str]] = []
    for line in lines:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            break
    return table[2:]


def names(cell: str) -> list[str]:
    """What stands in code style in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def as_module(guide: Path) -> ModuleType:
    """All Python blocks of a guide, in order, as one module."""
    module = ModuleType(guide.stem.replace("-", "_"))
    for block in blocks(guide.read_text("utf-8"), "python"):
        exec(compile(block, str(guide), "exec"), module.__dict__)
    return module


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def approve_all(run: TrialRun) -> None:
    while run.status == "paused":
        await run.approve(by="ana", comment="fine")


# --- code


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
async def test_the_code_of_a_guide_runs(guide: Path) -> None:
    """A reader who copies the blocks one after the other has a module, whose tests pass."""
    module = as_module(guide)

    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    for test in tests:
        await test()

    assert len(tests) == len(re.findall(r"def test_", guide.read_text("utf-8")))


async def test_the_workflows_of_the_guide_do_what_they_say() -> None:
    """Each of them, in its highest version, ends with its output once it was approved."""
    app: Placet = as_module(ROOT / "docs/guides/writing-workflows.md").app

    assert {name for name, _ in app.workflows} == WORKFLOWS.keys()
    for name, (input, output) in WORKFLOWS.items():
        run = await Trial(app).start(name, input)
        await approve_all(run)
        assert (name, run.output, run.error) == (name, output, None)


async def test_a_refusal_ends_as_the_guide_says() -> None:
    """Without `on_reject` the run is rejected; with it the handler says what happens."""
    app: Placet = as_module(ROOT / "docs/guides/writing-workflows.md").app

    contract = await Trial(app).start("sign-contract", {"partner": "Acme", "euros": 5})
    await contract.reject(by="ana")
    post = await Trial(app).start("publish", "a post")
    await post.reject(by="ana", comment="too long")

    assert contract.status == "rejected"
    assert post.output == "kept back: rejected, too long"


def test_the_printed_start_message_is_one() -> None:
    """The start message of the guide can be read, and its table names each of its fields."""
    [message] = [block for block in blocks(WRITING, "json") if "specversion" in block]

    start = cloudevents.decode(json.loads(message)).data

    assert isinstance(start, WorkflowStart)
    known = {field.alias for field in WorkflowStart.model_fields.values()}
    assert start.model_fields_set == WorkflowStart.model_fields.keys()
    assert {name.removeprefix("data.") for row in rows(WRITING, "| field |") for name in names(row[0])} == known | {
        "specversion",
        "id",
        "source",
        "type",
    }


def test_the_printed_destinations_are_some() -> None:
    """The destinations of the guide fit, and every kind is there."""
    [block] = [block for block in blocks(WRITING, "json") if '"manager"' in block]

    found = [TypeAdapter(Destination).validate_python(json.loads(line)["manager"]) for line in block.splitlines()]

    assert {destination.type for destination in found} == {"email", "slack", "webhook"}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_json_of_a_guide_is_json(guide: Path) -> None:
    """Each block is one JSON value, or one a line."""
    for block in blocks(guide.read_text("utf-8"), "json"):
        try:
            json.loads(block)
        except ValueError:
            for line in block.splitlines():
                json.loads(line)


# --- examples


async def test_a_user_is_deleted_once_somebody_agrees() -> None:
    """`delete_user.py`: a step, a gate, an e-mail."""
    run = await Trial(example("delete_user").app).start("delete-user", {"user_id": "ada"})
    assert run.request is not None
    assert [str(destination) for destination in run.request.destinations] == ["ana@example.com"]
    await run.approve()

    assert run.output == {"user_id": "ada", "orders": 42}


async def test_a_contract_needs_both() -> None:
    """`two_gates.py`: legal first, then finance, which hears who has agreed; a refusal is answered by the handler."""
    trial = Trial(example("two_gates").app)
    run = await trial.start("sign-contract", {"partner": "Acme", "euros": 25_000})
    assert run.paused_at == "legal"
    await run.approve(by="lea")
    assert run.paused_at == "finance"
    assert run.request is not None
    assert "lea" in (run.request.message or "")
    await run.reject(by="fin", comment="no budget")

    assert run.output == {"signed": False, "because": "finance said no: no budget"}


async def test_a_cheap_contract_needs_legal_alone() -> None:
    """`two_gates.py`: a gate that is not reached asks nobody."""
    run = await Trial(example("two_gates").app).start("sign-contract", {"partner": "Acme", "euros": 500})
    await run.approve()

    assert run.output == {"signed": True, "because": "everybody agreed"}


async def test_an_agent_asks_before_each_risky_tool() -> None:
    """`agent_tool.py`: each call has its own gate; one that is refused is left out, and the agent goes on."""
    run = await Trial(example("agent_tool").app).start("support-agent", {"goal": "order 17"})
    assert run.paused_at == "2:refund"
    await run.approve()
    assert run.paused_at == "3:send_mail"
    await run.reject(by="bo", comment="I will call")

    assert run.output == [
        "order 17 matches 'order 17'",
        "refunded 80 euros for order 17",
        "send_mail was refused by bo: I will call",
    ]


@pytest.mark.parametrize(
    ("decide", "told"),
    [
        ("approve", "Your expense was paid: transfer placet:run-1"),
        ("reject", "Your expense was not paid: no reason given"),
        ("expire", "Your expense was not paid: nobody decided in time"),
    ],
)
async def test_an_expense_is_decided_in_time_or_not_paid(decide: str, told: str) -> None:
    """`expense.py`: whoever handed it in is told that it is being reviewed, and how it went, each once."""
    expense = {"employee": {"email": "ada@example.com"}, "manager": EMAIL, "euros": 120, "purpose": "train"}
    run = await Trial(example("expense").app).start("expense", expense)
    await getattr(run, decide)()

    assert run.status == "completed"
    assert [message for message, _ in run.notifications] == ["Your expense of 120 euros is being reviewed", told]


async def test_an_expense_waits_three_days() -> None:
    """`expense.py`: until then the manager may decide."""
    trial = Trial(example("expense").app)
    expense = {"employee": {"email": "ada@example.com"}, "manager": EMAIL, "euros": 120, "purpose": "train"}
    run = await trial.start("expense", expense)
    await trial.advance(timedelta(days=3) - timedelta(seconds=1))

    assert run.status == "paused"


def test_every_example_is_listed() -> None:
    """`examples/README.md` names each module with its workflows."""
    listed = {
        (names(row[0])[0], names(row[1])[0]) for row in rows((ROOT / "examples/README.md").read_text(), "| module |")
    }

    assert listed == {(path.name, name) for path in EXAMPLES for name, _ in example(path.stem).app.workflows}


async def test_the_example_of_the_compose_stack_runs(database_url: str, amqp_url: str, namespace: str) -> None:
    """`delete_user.py` on the services: it pauses, is approved over the API, and ends with its output."""
    app = example("delete_user").app
    async with deployment("local", app, database_url, amqp_url, namespace) as made, made.http() as http:
        started = await http.post("/v1/runs", json={"workflow": "delete-user", "input": {"user_id": "ada"}})
        run = f"/v1/runs/{started.json()['id']}"
        paused = await http.get(run, params={"wait": 20, "until": "paused"})
        [approval] = paused.json()["approvals"]
        await http.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": "approve"})
        ended = await http.get(run, params={"wait": 20})

    assert (ended.json()["status"], ended.json()["output"]) == ("completed", {"user_id": "ada", "orders": 42})


# --- commands


def commands() -> set[str]:
    """Every command line that begins with `placet` in the pages, without its environment."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        shell = [line for block in blocks(text, "sh") for line in block.splitlines()]
        inline = names(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for line in [*shell, *inline]:
            if match := re.match(r"(?:[A-Z_]+=\S+ |docker compose exec \w+ )*(placet(?: [^#|>&;]+)?)", line):
                found.add(match[1].strip())
    return {line for line in found if " " in line}


@pytest.mark.parametrize("line", sorted(commands()))
def test_a_command_that_is_named_exists(line: str) -> None:
    """With the options that it is shown with."""
    if not placet.cli.app.registered_groups:
        placet.cli.discover()
    groups = {group.name for group in placet.cli.app.registered_groups} | {
        "audit",
        "keys",
        "quarantine",
        "users",
        "groups",
    }
    words = line.split()[1:]
    path = words[: 2 if words[0] in groups else 1]

    shown = CliRunner().invoke(
        placet.cli.app, [*path, "--help"], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    )

    assert shown.exit_code == 0, shown.output
    for option in [word.partition("=")[0] for word in words if word.startswith("--")]:
        assert re.search(rf"{option}\b", shown.output), option


def test_commands_are_found() -> None:
    """The test above looks at those that matter."""
    found = {" ".join(line.split()[1:3]) for line in commands()}

    assert {
        "dev workflows:app",
        "executor workflows:app",
        "keys create",
        "quarantine show",
        "migrate approval",
        "audit verify",
    } <= found


# --- tables


def environment(settings: type[ServiceSettings], *, without: type[ServiceSettings] | None = None) -> dict[str, str]:
    """Variables, and their defaults as they would stand in an environment."""
    inherited = without.model_fields if without is not None else {}
    return {
        f"PLACET_{name.upper()}": default(field.default)
        for name, field in settings.model_fields.items()
        if name not in inherited
    }


def default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    text = TypeAdapter(type(value)).dump_json(value).decode()
    return text.strip('"')


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("### Every service", environment(ServiceSettings)),
        ("### Approval", environment(ApprovalSettings, without=ServiceSettings)),
        ("### Executor", environment(ExecutorSettings, without=ServiceSettings)),
        ("### Notifier", environment(NotifierSettings, without=ServiceSettings)),
    ],
)
def test_the_settings_are_those_of_the_code(heading: str, expected: dict[str, str]) -> None:
    """Each table has every setting of its service with its default, and no other."""
    shown = {names(row[0])[0]: (names(row[1]) or [row[1]])[0] for row in rows(OPERATING, heading)}

    assert shown == expected


def test_the_metrics_are_those_of_the_code() -> None:
    """The table has every metric, and no other."""
    collected = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect()
        if family.name.startswith("placet_") and not family.name.endswith("_created")
    }

    assert {names(row[0])[0] for row in rows(OPERATING, "| metric |")} == collected


def test_the_log_events_that_are_named_exist() -> None:
    """What an alert looks for is logged somewhere."""
    sources = "".join(path.read_text("utf-8") for path in ROOT.glob("*/*/src/**/*.py"))
    paragraph = OPERATING[OPERATING.index("Logs go to") : OPERATING.index("## When something is down")]

    for event in re.findall(r"`([a-z]+\.[a-z_]+)`", paragraph):
        assert f'"{event}"' in sources, event


def test_the_roles_are_those_of_the_code() -> None:
    """Who may do what, as the authoriser has it."""
    shown = {names(row[0])[0]: row[1:] for row in rows(DECIDING, "| role |")}

    actions: tuple[Action, ...] = ("read", "start", "cancel", "decide", "audit", "manage")
    assert shown == {role: ["yes" if role in MAY[action] else "no" for action in actions] for role in get_args(Role)}


def test_a_proxy_is_told_all_that_it_must_pass() -> None:
    """Every path of the inbox, and no other, stands in the sentence on proxies."""
    text = (ROOT / "docs" / "guides" / "operating.md").read_text("utf-8")
    sentence = re.search(r"of the inbox (.+?)\. It must\s+not", text, re.DOTALL)
    assert sentence is not None
    served = {f"/{getattr(route, 'path', '').split('/')[1]}" for route in INBOX}

    assert set(re.findall(r"`(/[^`]*)`", sentence[1])) == served


def test_the_problems_are_those_of_the_code() -> None:
    """The table of errors has every one that the API can answer with."""
    shown = {(names(row[1])[0], int(row[0])) for row in rows(DECIDING, "| status | `type`")}
    raised = set(problems._TYPES.values())
    answered: list[Callable[[], Any]] = [
        problems.unauthorized,
        lambda: problems.forbidden(Caller("key:x", frozenset({"viewer"})), "decide"),
        lambda: problems.too_large(1),
        problems.bad_cursor,
    ]
    others = {(json.loads(make().body)["type"].rpartition(":")[2], make().status_code) for make in answered}

    assert raised | others <= shown
    assert {name for name, _ in shown} - {name for name, _ in raised | others} == {
        "method-not-allowed",
        "internal-error",
        "unavailable",
    }


# --- links


def anchors(page: Path) -> set[str]:
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links lead to files that are there, and to headings in them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target
