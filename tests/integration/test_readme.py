"""What README shows is run as it is printed there."""

import re
from pathlib import Path
from types import ModuleType

import aio_pika
import httpx2
import pytest

from kit.smtp import smtp_server
from kit.stack import Deployment, deployment
from kit.waiting import eventually

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def workflows() -> ModuleType:
    """The example, as a reader would save it."""
    module = ModuleType("workflows")
    exec(compile(BLOCKS[0], "README.md", "exec"), module.__dict__)
    return module


def test_the_example_is_short() -> None:
    """The first thing that a reader sees is a screen at most."""
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 20


async def test_the_example_pauses_mails_and_completes(
    workflows: ModuleType, database_url: str, amqp_url: str, namespace: str
) -> None:
    """The printed workflow pauses, its approver gets the mail, and after the approval it ends with its output."""
    async with smtp_server() as mailbox:
        made = Deployment("local", workflows.app, database_url, amqp_url, namespace)
        made.notifier_options = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}"}
        await made.start()
        try:
            async with made.http() as http:
                started = await http.post("/v1/runs", json={"workflow": "delete-user", "input": {"user_id": "ada"}})
                run_id = started.json()["id"]
                paused = await http.get(f"/v1/runs/{run_id}", params={"wait": 20, "until": "paused"})
                [approval] = paused.json()["approvals"]
                [mail] = await mailbox.holds(1)
                await http.post(f"/v1/approvals/{approval['id']}/decisions", json={"decision": "approve"})
                ended = await http.get(f"/v1/runs/{run_id}", params={"wait": 20})
        finally:
            await made.stop()

    assert mail.recipients == ["ana@example.com"]
    assert "Delete user ada with 42 orders?" in mail.text
    assert approval["id"] in mail.text
    assert (ended.json()["status"], ended.json()["output"]) == ("completed", "deleted ada")


async def test_the_printed_unit_test_passes(workflows: ModuleType) -> None:
    """The unit test that README shows passes on the example that it shows."""
    names = dict(workflows.__dict__)
    exec(compile(BLOCKS[1], "README.md", "exec"), names)

    await names["test_deleting_asks_first"]()


async def test_the_printed_start_message_starts_the_example(
    workflows: ModuleType, database_url: str, amqp_url: str, namespace: str
) -> None:
    """The start message that README shows, published by a plain AMQP client, starts the example."""
    [message] = re.findall(r"```json\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    async with deployment("rabbit", workflows.app, database_url, amqp_url, namespace) as made, made.http() as http:
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(namespace)
            await exchange.publish(aio_pika.Message(message.encode()), routing_key="workflow.start.v1")
        await eventually(lambda: known(http, "delete-ada"))
        paused = await http.get("/v1/runs/delete-ada", params={"wait": 20, "until": "paused"})

    assert paused.json()["status"] == "paused"


async def known(http: httpx2.AsyncClient, run_id: str) -> bool:
    """Whether the API has heard of a run."""
    return (await http.get(f"/v1/runs/{run_id}")).status_code == 200
