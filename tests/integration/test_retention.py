"""What ended long ago is deleted where the operator says so; nothing open is, and no duplicate brings anything back."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from kit.product import Product, problem, product
from kit.waiting import eventually
from placet import Context, Email, Interrupt, Placet
from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.events import WorkflowStart
from placet_executor.store import retention as executor_rules
from placet_runtime import postgres, retention
from placet_runtime.local import LocalBus
from placet_runtime.retention import Retention

app = Placet()
entered: Counter[str] = Counter()
ana = Email("ana@example.com")

AT_ONCE: dict[str, Any] = {"retention_every": timedelta(milliseconds=50)}
SOON = timedelta(milliseconds=1)


async def look_up(key: str) -> str:
    return key


@app.workflow("asks")
async def asks(ctx: Context, input: Any) -> Any:
    entered[ctx.run_id] += 1
    found = await ctx.step("look up", look_up, "x")
    await ctx.notify(message="on its way", destination=ana)
    if not ctx.approved:
        return Interrupt.approval(message="May I?", destination=ana)
    return found


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is marked may go at once."""
    monkeypatch.setattr(retention, "GRACE", timedelta(0))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LocalBus, str, bytes]]:
    """Every message that a service has sent, with the bus that it was sent on."""
    messages: list[tuple[LocalBus, str, bytes]] = []
    publish = LocalBus.publish

    async def record(self: LocalBus, type: str, body: bytes) -> None:
        messages.append((self, type, body))
        await publish(self, type, body)

    monkeypatch.setattr(LocalBus, "publish", record)
    return messages


@asynccontextmanager
async def deployed(postgres_url: str, amqp_url: str) -> AsyncIterator[Product]:
    async with product("local", app, postgres_url, amqp_url) as made:
        yield made


async def restart(placet: Product, *, keep: timedelta | None, **approval: Any) -> None:
    """All services, with another retention."""
    await placet.running.stop()
    placet.running.approval_options = {**AT_ONCE, "retention_runs": keep, **approval}
    placet.running.executor_options = {**AT_ONCE, "retention_runs": keep}
    placet.running.notifier_options = {**AT_ONCE, "retention_deliveries": keep}
    await placet.running.start()


async def cycle(placet: Product, run_id: str) -> None:
    """A run from its start to its end, all that it tells anybody included."""
    approval = await placet.paused(await placet.start("asks", 1, runId=run_id))
    await placet.approve(approval)
    await placet.ended(run_id)
    await delivered(placet, run_id)


async def delivered(placet: Product, run_id: str) -> None:
    """Both of its notifications have come to an end, and that is known to all; nothing is on its way any more."""

    async def known() -> bool:
        rows = await placet.running.query(
            "approval", "SELECT FROM deliveries WHERE run_id = $1 AND status = 'failed'", run_id
        )
        return len(rows) == 2 and not await left(placet, "outbox")

    await eventually(known)


async def left(placet: Product, *tables: str) -> dict[str, int]:
    """How many rows these tables have, where there are any, in every service that has them."""
    counts: dict[str, int] = {}
    conn = await asyncpg.connect(placet.running.database_url)
    try:
        for service in ("approval", "executor", "notifier"):
            for table in tables:
                if await conn.fetchval("SELECT to_regclass($1)", f"{service}.{table}"):
                    rows = await conn.fetchval(f"SELECT count(*) FROM {service}.{table}")
                    counts |= {f"{service}.{table}": rows} if rows else {}
    finally:
        await conn.close()
    return counts


KEPT = ("runs", "steps", "run_steps", "run_retries", "gates", "notifications", "approvals", "deliveries")


@pytest.mark.usefixtures("no_grace")
async def test_what_has_ended_goes_and_what_is_open_stays(postgres_url: str, amqp_url: str) -> None:
    """A finished run goes with all that belongs to it, in every service; a paused one keeps everything."""
    async with deployed(postgres_url, amqp_url) as placet:
        asked = await placet.paused(await placet.start("asks", 1, runId="open"))
        await delivered(placet, "open")
        before = await left(placet, *(table for table in KEPT if table != "deliveries"))
        await cycle(placet, "ended")
        await restart(placet, keep=SOON)

        async def gone() -> bool:
            # Deliveries are done with once they were made: those of the open run go from the notifier, too.
            now = await left(placet, *KEPT)
            return now == {**before, "approval.deliveries": 2}

        await eventually(gone)
        problem(await placet.http.get("/v1/runs/ended"), 404, "not-found")
        assert len((await placet.approval(asked["id"]))["timeline"]) == 2
        assert (
            REGISTRY.get_sample_value("placet_retention_deleted_total", {"service": "executor", "what": "runs"}) or 0
        ) > 0
        await placet.approve(asked)
        assert (await placet.ended("open"))["status"] == "completed"


@pytest.mark.usefixtures("no_grace")
async def test_no_duplicate_brings_back_what_was_deleted(
    postgres_url: str, amqp_url: str, told: list[tuple[LocalBus, str, bytes]]
) -> None:
    """Every message that was ever sent comes again, shuffled, after the run was deleted: it does nothing."""
    async with deployed(postgres_url, amqp_url) as placet:
        await cycle(placet, "ended")
        sent = list(told)
        assert {type for _, type, _ in sent} == {
            "workflow.start.v1",
            "run.changed.v1",
            "approval.requested.v1",
            "approval.opened.v1",
            "approval.resolved.v1",
            "notification.requested.v1",
            "delivery.changed.v1",
            "workflows.served.v1",
        }
        await restart(placet, keep=SOON)
        await eventually(lambda: _none(placet))
        await restart(placet, keep=None)
        entered.clear()
        refused = _refused()

        random.Random(7).shuffle(sent)
        for bus, type, body in sent * 2:
            await placet.running._broker.buses[bus.service].publish(type, body)
        await cycle(placet, "later")  # by now all of that has been taken in

        assert await left(placet, "quarantine") == {}
        assert entered == {"later": 2}
        assert _refused() == refused
        assert await left(placet, "runs", "run_steps", "approvals") == {
            "approval.runs": 1,
            "approval.run_steps": 1,
            "executor.runs": 1,
            "approval.approvals": 1,
        }
        assert await left(placet, "deliveries") == {"approval.deliveries": 2, "notifier.deliveries": 2}


@pytest.mark.usefixtures("no_grace")
async def test_the_id_of_a_deleted_run_starts_nothing_else(postgres_url: str, amqp_url: str) -> None:
    """Over REST it is refused; by a message the same start is nothing, and another one is kept with its reason."""
    async with deployed(postgres_url, amqp_url) as placet:
        bus = placet.running._broker.buses["approval"]

        async def message(event_id: str, run_id: str, input: int) -> None:
            start = WorkflowStart(workflow="asks", run_id=run_id, input=input)
            await bus.publish(WorkflowStart.type, encode(CloudEvent(event_id, "shop", start)))

        await message("order-1", "ended", 1)
        await eventually(lambda: _is_there(placet, "ended"))
        await placet.approve(await placet.paused("ended"))
        await placet.ended("ended")
        await delivered(placet, "ended")
        await restart(placet, keep=SOON)
        await eventually(lambda: _none(placet))
        await restart(placet, keep=None)
        bus = placet.running._broker.buses["approval"]

        again = await placet.http.post("/v1/runs", json={"workflow": "asks", "input": 1, "runId": "ended"})
        assert "ended long ago and was deleted" in problem(again, 410, "run-deleted")["detail"]
        await message("order-1", "ended", 1)
        await message("order-1", "ended", 2)
        await message("order-1", "another", 2)
        await message("order-2", "ended", 2)
        await cycle(placet, "later")

        rows = await placet.running.query("executor", "SELECT reason FROM quarantine ORDER BY reason")
        assert [row["reason"] for row in rows] == [
            "event 'order-1' of 'shop' came before with another workflow, version or input",
            "run 'ended' was started before with another workflow, version or input",
            "run 'ended' was started before with another workflow, version or input",
        ]
        assert await placet.running.query("executor", "SELECT id FROM runs") == [{"id": "later"}]


async def test_a_mark_is_there_a_while_before_its_run_goes(postgres_url: str, amqp_url: str) -> None:
    """A statement that has not seen the mark must still meet the run: the run goes later than any lasts."""
    async with deployed(postgres_url, amqp_url) as placet:
        await cycle(placet, "ended")
        async with postgres.connect(placet.running.database_url, "executor", size=2) as pool:
            rounds = Retention(pool, "executor", [(executor_rules.RUNS, SOON)], timedelta(hours=1))
            for _ in range(2):
                await rounds.round()
            assert await left(placet, "deleted_runs") == {"executor.deleted_runs": 1}
            assert await placet.running.query("executor", "SELECT id FROM runs") == [{"id": "ended"}]

            await pool.execute("UPDATE deleted_runs SET marked_at = now() - interval '91 seconds'")
            await rounds.round()
            assert await placet.running.query("executor", "SELECT id FROM runs") == []


@pytest.mark.usefixtures("no_grace")
async def test_the_archive_has_what_was_deleted(postgres_url: str, amqp_url: str, tmp_path: Path) -> None:
    """A line of JSON for each run, as the API would have shown it, with its approvals."""
    async with deployed(postgres_url, amqp_url) as placet:
        for n in range(3):
            await cycle(placet, f"ended-{n}")
        shown = await placet.run("ended-0")
        [approval] = shown["approvals"]
        asked = await placet.approval(approval["id"])
        await restart(placet, keep=SOON, retention_archive=tmp_path)
        await eventually(lambda: _none(placet))

    lines = [json.loads(line) for file in tmp_path.glob("runs-*.jsonl") for line in file.read_text().splitlines()]
    assert sorted(line["run"]["id"] for line in lines) == ["ended-0", "ended-1", "ended-2"]
    [line] = [line for line in lines if line["run"]["id"] == "ended-0"]
    assert line == {"run": shown, "approvals": [asked]}


@pytest.mark.usefixtures("no_grace")
async def test_what_cannot_be_archived_is_not_deleted(postgres_url: str, amqp_url: str, tmp_path: Path) -> None:
    """The folder is gone: the run stays, and goes when the folder is back."""
    folder = tmp_path / "archive"
    folder.mkdir()
    async with deployed(postgres_url, amqp_url) as placet:
        await cycle(placet, "ended")
        await restart(placet, keep=None)
        await placet.running.stop("approval")
        folder.rename(tmp_path / "elsewhere")
        placet.running.approval_options = {}
        await placet.running.start("approval")
        from placet_approval.archive import Archive
        from placet_approval.handlers import retention as rules

        assert placet.running._approval is not None
        pool = placet.running._approval.deps.pool
        archive = Archive(folder, lambda run, approvals: run.id.encode())
        await rules.RUNS.mark(pool, SOON, 10)  # type: ignore[misc]
        with pytest.raises(FileNotFoundError):
            await rules.delete_runs(pool, SOON, 10, archive=archive.write)
        assert (await placet.run("ended"))["status"] == "completed"

        folder.mkdir()
        assert await rules.delete_runs(pool, SOON, 10, archive=archive.write) == 1
        problem(await placet.http.get("/v1/runs/ended"), 404, "not-found")
    assert [file.read_bytes() for file in folder.iterdir()] == [b"ended\n"]


async def _none(placet: Product) -> bool:
    return not await left(placet, *KEPT)


async def _is_there(placet: Product, run_id: str) -> bool:
    return (await placet.http.get(f"/v1/runs/{run_id}")).status_code == 200


def _refused() -> float:
    return REGISTRY.get_sample_value("placet_resolutions_refused_total") or 0.0
