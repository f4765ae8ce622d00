"""The compose deployment as its users see it: AMQP in, mail out, REST to decide. Run by ``make e2e``.

By hand it also runs against the deployment of ``make up``: ``pytest -m slow --confcutdir tests/e2e tests/e2e``.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from placet_contracts.events import EVENTS, WorkflowStart
from placet_contracts.topology import PUBLISHERS, SERVICES, SUBSCRIBERS, queue, queues

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
USERS = (*SERVICES, "starter")


@dataclass(frozen=True)
class Deployment:
    """A running deployment, and the secrets that it was started with."""

    settings: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.settings.get('PLACET_HTTP_PORT', '8700')}"

    @property
    def mail_url(self) -> str:
        return f"http://localhost:{self.settings.get('PLACET_MAIL_PORT', '8025')}"

    def amqp_url(self, user: str) -> str:
        password = self.settings[f"{user.upper()}_MQ_PASSWORD"]
        return f"amqp://{user}:{password}@localhost:{self.settings.get('PLACET_AMQP_PORT', '5672')}/placet"

    def get(self, path: str) -> Any:
        key = self.settings["PLACET_ADMIN_KEY"]
        return fetch(urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {key}"}))

    def decide(self, approval_id: str, decision: str) -> Any:
        """As a person at a terminal would."""
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "--retry", "60", "--retry-all-errors"]
        command += ["--retry-delay", "1", "-H", f"Authorization: Bearer {self.settings['PLACET_ADMIN_KEY']}"]
        command += ["-H", "Content-Type: application/json", "-d", json.dumps({"decision": decision})]
        return json.loads(run([*command, f"{self.url}/v1/approvals/{approval_id}/decisions"]))

    def compose(self, *arguments: str) -> str:
        return run([*compose(), *arguments])

    def sql(self, role: str, statement: str, database: str = "placet") -> "subprocess.CompletedProcess[str]":
        """Run a statement as a service's role, over the network, with its password."""
        dsn = f"postgresql://{role}:{self.settings[f'{role.upper()}_DB_PASSWORD']}@postgres/{database}"
        command = [*compose(), "exec", "-T", "postgres", "psql", dsn, "--no-align", "--tuples-only", "-c", statement]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    """The one that runs. An error, not a skip, where there is none."""
    if shutil.which("docker") is None:
        pytest.fail("docker is not installed: the compose tests need an engine. Run them with `make e2e`.")
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode != 0:
        pytest.fail(f"the Docker engine does not answer, and the compose tests need one: {asked.stderr.strip()}")
    env_file = ROOT / ".env"
    if not env_file.exists():
        pytest.fail("there is no .env, so nothing was started: run the compose tests with `make e2e`.")
    lines = [line.partition("=") for line in env_file.read_text().splitlines() if "=" in line]
    found = Deployment({name: value for name, _, value in lines} | dict(os.environ))
    try:
        fetch(urllib.request.Request(f"{found.url}/readyz"))
    except OSError as error:
        pytest.fail(f"no deployment answers at {found.url} ({error}): run the compose tests with `make e2e`.")
    return found


@pytest.fixture
def channel_of(deployment: Deployment) -> Callable[[str], Any]:
    """Opens a connection and a channel as one of the broker's users."""

    async def connect(user: str) -> aio_pika.abc.AbstractConnection:
        return await aio_pika.connect(deployment.amqp_url(user), timeout=10)

    return connect


def test_an_approved_run_completes_though_everything_restarts_while_it_waits(deployment: Deployment) -> None:
    """A start over AMQP pauses, mails, outlives restarts of all services and the broker, and goes on when approved."""
    run_id = start(deployment, user_id="ada")
    paused = until_paused(deployment, run_id)
    [approval] = paused["approvals"]
    mail = mail_about(deployment, approval["id"])
    assert mail["to"] == ["ana@example.com"]
    assert "ada" in mail["text"]

    deployment.compose("restart", "approval", "executor", "notifier", "rabbitmq")

    decided = deployment.decide(approval["id"], "approve")
    assert decided["status"] == "approved"
    ended = eventually(lambda: deployment.get(f"/v1/runs/{run_id}?wait=20"), lambda run: run["status"] == "completed")
    assert ended["output"]["user_id"] == "ada"


def test_a_rejected_run_ends_as_rejected(deployment: Deployment) -> None:
    """A rejection ends the run."""
    run_id = start(deployment, user_id="bo")
    [approval] = until_paused(deployment, run_id)["approvals"]

    deployment.decide(approval["id"], "reject")

    ended = eventually(lambda: deployment.get(f"/v1/runs/{run_id}?wait=20"), lambda run: run["status"] == "rejected")
    assert ended["output"] is None


def test_a_repeated_start_is_harmless(deployment: Deployment) -> None:
    """The same event again starts nothing."""
    event_id = uuid4().hex
    run_id = start(deployment, user_id="cy", event_id=event_id)
    until_paused(deployment, run_id)

    start(deployment, user_id="cy", event_id=event_id, run_id=run_id)
    marker = start(deployment, user_id="di")
    until_paused(deployment, marker)

    assert len(deployment.get(f"/v1/runs/{run_id}")["approvals"]) == 1


@pytest.mark.parametrize("user", USERS)
async def test_a_user_publishes_only_its_own_events(user: str, channel_of: Callable[[str], Any]) -> None:
    """The broker refuses each event that the topology does not give to this user."""
    allowed = {type for type, services in PUBLISHERS.items() if user in services}
    if user == "starter":
        allowed = {WorkflowStart.type}
    async with await channel_of(user) as connection:
        for type in EVENTS:

            async def publish(channel: AbstractChannel, type: str = type) -> None:
                exchange = await channel.get_exchange("placet", ensure=False)
                await exchange.publish(aio_pika.Message(b"[]"), routing_key=type, timeout=10)

            assert await is_refused(connection, publish) == (type not in allowed), type


@pytest.mark.parametrize("user", USERS)
async def test_a_user_reads_no_queue_of_others(user: str, channel_of: Callable[[str], Any]) -> None:
    """Neither by consuming from it nor by writing past the exchange, nor by deleting it."""
    others = [name for name in queues("placet") if not name.startswith(f"placet.{user}.")]
    assert len(others) >= len(SERVICES)
    async with await channel_of(user) as connection:
        for name in others:

            async def take(channel: AbstractChannel, name: str = name) -> None:
                await (await channel.get_queue(name, ensure=False)).get(fail=False, timeout=10)

            async def slip_in(channel: AbstractChannel, name: str = name) -> None:
                await channel.default_exchange.publish(aio_pika.Message(b"[]"), routing_key=name, timeout=10)

            async def delete(channel: AbstractChannel, name: str = name) -> None:
                await channel.queue_delete(name, timeout=10)

            for attempt in (take, slip_in, delete):
                assert await is_refused(connection, attempt), (attempt.__name__, name)


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_hears_only_what_it_subscribes_to(user: str, channel_of: Callable[[str], Any]) -> None:
    """It cannot bind a queue of its own to an event that is for others."""
    heard = {type for type, services in SUBSCRIBERS.items() if user in services}
    own = queue("placet", user, sorted(heard)[0])  # type: ignore[arg-type]
    async with await channel_of(user) as connection:
        for type in EVENTS.keys() - heard:

            async def listen(channel: AbstractChannel, type: str = type) -> None:
                await (await channel.get_queue(own, ensure=False)).bind("placet", type, timeout=10)

            assert await is_refused(connection, listen), type


async def test_the_starter_declares_nothing(channel_of: Callable[[str], Any]) -> None:
    """Who starts runs gets no queue on the broker."""

    async def declare(channel: AbstractChannel) -> None:
        await channel.declare_queue("placet.mine", timeout=10)

    async with await channel_of("starter") as connection:
        assert await is_refused(connection, declare)


@pytest.mark.parametrize("role", SERVICES)
def test_a_database_role_reaches_its_own_schema_only(role: str, deployment: Deployment) -> None:
    """Not another's tables, no schema or table elsewhere, no other database."""
    assert int(deployment.sql(role, f"SELECT count(*) FROM {role}.migrations").stdout) > 0
    for other in SERVICES:
        if other != role:
            assert "permission denied for schema" in deployment.sql(role, f"SELECT FROM {other}.migrations").stderr
    for statement in ("CREATE SCHEMA mine", "CREATE TABLE public.mine ()", "CREATE TEMP TABLE mine ()"):
        assert "permission denied" in deployment.sql(role, statement).stderr, statement
    assert "permission denied for database" in deployment.sql(role, "SELECT 1", database="postgres").stderr
    assert deployment.sql(role, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").stdout.strip() == "f"


def start(deployment: Deployment, *, user_id: str, event_id: str | None = None, run_id: str | None = None) -> str:
    """Publish a start with a plain AMQP client, and return the run's id."""
    run_id = run_id or f"e2e-{uuid4().hex}"
    event = {
        "specversion": "1.0",
        "id": event_id or uuid4().hex,
        "source": "e2e",
        "type": "workflow.start.v1",
        "data": {"workflow": "delete-user", "runId": run_id, "input": {"user_id": user_id}},
    }

    async def publish() -> None:
        connection = await aio_pika.connect(deployment.amqp_url("starter"))
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange("placet")
            await exchange.publish(
                aio_pika.Message(json.dumps(event).encode(), content_type="application/cloudevents+json"),
                routing_key="workflow.start.v1",
            )

    asyncio.run(publish())
    return run_id


def until_paused(deployment: Deployment, run_id: str) -> Any:
    def pending(run: Any) -> bool:
        return run["status"] == "paused" and len(run["approvals"]) > 0

    return eventually(lambda: deployment.get(f"/v1/runs/{run_id}?until=paused&wait=5"), pending)


def mail_about(deployment: Deployment, approval_id: str) -> Any:
    """The mail that links to an approval."""

    def find() -> list[Any]:
        mails = fetch(urllib.request.Request(f"{deployment.mail_url}/messages"))
        return [mail for mail in mails if f"/approvals/{approval_id}" in (mail["text"] or "")]

    [mail] = eventually(find, lambda mails: len(mails) > 0)
    return mail


def eventually(look: Callable[[], Any], good: Callable[[Any], bool], patience: float = 90) -> Any:
    """Look until it is good; what does not answer yet is looked at again."""
    deadline = time.monotonic() + patience
    seen: Any = None
    while time.monotonic() < deadline:
        try:
            seen = look()
            if good(seen):
                return seen
        except OSError as error:  # not there yet, or restarting
            seen = error
        time.sleep(0.3)
    raise AssertionError(f"not within {patience} s; the last seen: {seen}")


async def is_refused(connection: aio_pika.abc.AbstractConnection, attempt: Callable[[AbstractChannel], Any]) -> bool:
    """Whether the broker answers with ACCESS_REFUSED, which also closes the channel."""
    channel = await connection.channel()
    try:
        await attempt(channel)
    except ChannelAccessRefused:
        return True
    finally:
        await channel.close()
    return False


def fetch(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def compose() -> list[str]:
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


def run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command[:2])} failed: {done.stdout}{done.stderr}"
    return done.stdout
