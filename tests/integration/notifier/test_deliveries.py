"""Deliveries from the event to the end, whatever happens on the way."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from kit.http import http_server, slack_error, slack_server
from kit.smtp import DROP, STALL, smtp_server
from placet_contracts.destinations import Email, Slack, Webhook
from placet_notifier import handlers, store
from placet_notifier.domain import Draft, Notice, Settlement

Run = Callable[..., AbstractAsyncContextManager[Any]]

ANA, BO = Email("ana@example.com"), Email("bo@example.com")


async def test_an_approval_is_told_to_each_of_its_destinations(run: Run) -> None:
    """Each destination gets one message, and each delivery goes from pending to sent in the timeline."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        approval = await running.timeline.open_approval(ANA, BO)
        sent = await running.timeline.until("sent", 2)

        assert sorted(mail.recipients[0] for mail in mailbox.mails) == ["ana@example.com", "bo@example.com"]
        assert f"http://localhost:8700/approvals/{approval.approval_id}" in mailbox.mails[0].text
        assert {(change.approval_id, change.run_id, change.channel) for change in sent} == {
            (approval.approval_id, "run-1", "email")
        }
        for change in sent:
            assert [(c.seq, c.status, c.attempts) for c in running.timeline.of(change.delivery_id)] == [
                (1, "pending", 0),
                (2, "sent", 1),
            ]


async def test_a_repeated_event_sends_nothing_again(run: Run) -> None:
    """The same approval or notification, in one message or long after, is told once."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        approval = await running.timeline.open_approval(ANA, ANA)
        notification = await running.timeline.notify(BO)
        await running.timeline.until("sent", 2)
        await running.timeline.tell(approval, approval, approval)
        await running.timeline.tell(notification, notification)
        await running.timeline.notify(ANA, "the last one")
        await running.timeline.until("sent", 3)

        assert len(mailbox.mails) == 3


async def test_what_failed_for_now_is_tried_again(run: Run) -> None:
    """A server that is busy delays a message; the timeline shows why, and then that it was sent."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        mailbox.answers.extend(["451 try later", "452 full"])
        await running.timeline.open_approval(ANA)
        [sent] = await running.timeline.until("sent")
        changes = running.timeline.of(sent.delivery_id)

        assert [(c.seq, c.status, c.attempts) for c in changes] == [
            (1, "pending", 0),
            (2, "retrying", 1),
            (3, "retrying", 2),
            (4, "sent", 3),
        ]
        assert changes[1].error == "the SMTP server refused the message with 451: try later"
        assert sent.error is None


async def test_what_can_never_work_fails_at_once(run: Run) -> None:
    """An unknown mailbox is not tried again, and the others are not held up."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        mailbox.refused["ana@example.com"] = "550 no such user"
        await running.timeline.open_approval(ANA, BO)
        [failed] = await running.timeline.until("failed")
        [sent] = await running.timeline.until("sent")

        assert failed.error == "the SMTP server refused the recipient with 550: no such user"
        assert (failed.attempts, failed.recipient, sent.recipient) == (1, "ana@example.com", "bo@example.com")


async def test_a_delivery_is_given_up_after_its_tries(run: Run) -> None:
    """What never works ends, and says after how many tries."""
    async with (
        smtp_server() as mailbox,
        run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}", delivery_tries=2) as running,
    ):
        mailbox.answers.extend(["451 busy"] * 5)
        await running.timeline.open_approval(ANA)
        [failed] = await running.timeline.until("failed")

        assert failed.error == "the SMTP server refused the message with 451: busy (gave up after 2 tries)"
        assert len(mailbox.mails) == 2


async def test_a_channel_that_is_not_configured_says_so(run: Run) -> None:
    """Each delivery fails at once and names the setting that is missing."""
    async with run() as running:
        await running.timeline.open_approval(ANA, Slack(channel_id="C1"), Webhook("https://hooks.example.com/x"))
        failed = await running.timeline.until("failed", 3)

        assert {change.channel: change.error for change in failed} == {
            "email": "no SMTP server is configured: set PLACET_SMTP_URL",
            "slack": "no Slack app is configured: set PLACET_SLACK_TOKEN",
            "webhook": "no secret to sign webhooks with is configured: set PLACET_WEBHOOK_SECRET",
        }


async def test_a_dropped_connection_leads_to_a_repeat_that_clients_can_drop(run: Run) -> None:
    """Where it is unknown whether a mail was taken it comes again, under the same Message-ID."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        mailbox.answers.append(DROP)
        await running.timeline.open_approval(ANA)
        await running.timeline.until("sent")
        first, second = mailbox.mails

        assert first.message["Message-ID"] == second.message["Message-ID"]


async def test_a_slow_server_does_not_block_intake(run: Run) -> None:
    """While every sender waits for a server that stalls, new approvals are still recorded and told of."""
    async with (
        smtp_server() as mailbox,
        run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}", delivery_concurrency=2) as running,
    ):
        mailbox.answers.extend([STALL, STALL])
        await running.timeline.open_approval(ANA, BO)
        await mailbox.holds(2)
        for _ in range(50):
            await running.timeline.open_approval(ANA)

        await running.timeline.until("pending", 52)
        assert len(mailbox.mails) == 2
        mailbox.resume.set()
        await running.timeline.until("sent", 52)


async def test_a_send_that_lasts_too_long_is_ended_and_tried_again(run: Run) -> None:
    """Every send has its time."""
    async with (
        smtp_server() as mailbox,
        run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}", delivery_timeout=0.2) as running,
    ):
        mailbox.answers.append(STALL)
        await running.timeline.open_approval(ANA)
        [retrying] = await running.timeline.until("retrying")
        await running.timeline.until("sent")

        assert retrying.error == "the SMTP server took longer than 0.2 s"


async def test_a_stalled_worker_cannot_commit_late(run: Run) -> None:
    """Once its lease has run out a delivery is another's; the result of the first changes nothing."""
    async with run() as running:
        deps = running.notifier.deps
        delivery_id = await recorded_in_an_hour(deps)
        async with deps.pool.acquire() as conn, conn.transaction():  # in one, so that the running worker gets neither
            await make_due(conn)
            [stalled] = await store.claim(conn, 1, uuid4(), timedelta(0))
            [present] = await store.claim(conn, 1, uuid4(), timedelta(hours=1))
        assert stalled.id == present.id == delivery_id
        assert (stalled.attempt, present.attempt) == (1, 2)

        assert await handlers.settle(deps, [Settlement(delivery_id, stalled.lease, "failed", "late")]) == [False]
        assert await handlers.settle(deps, [Settlement(delivery_id, present.lease, "sent")]) == [True]
        assert await handlers.settle(deps, [Settlement(delivery_id, present.lease, "sent")]) == [False]

        [sent] = await running.timeline.until("sent")
        assert (sent.seq, sent.attempts) == (2, 2)


async def test_a_delivery_whose_attempts_never_end_is_given_up(run: Run) -> None:
    """A message that kills its senders is not tried for ever."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        deps = running.notifier.deps
        await recorded_in_an_hour(deps)
        await deps.pool.execute("UPDATE deliveries SET attempts = 12, due_at = now()")
        deps.wake.set()
        [failed] = await running.timeline.until("failed")

        assert failed.error == "gave up: 12 attempts began and none came to an end"
        assert mailbox.mails == []


async def test_a_delivery_that_cannot_be_read_fails_alone(run: Run) -> None:
    """A row of a version that we do not understand does not keep the others from being sent."""
    async with (
        smtp_server() as mailbox,
        run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}", delivery_tries=1) as running,
    ):
        deps = running.notifier.deps
        await recorded_in_an_hour(deps)
        await deps.pool.execute("UPDATE deliveries SET payload = '{}', due_at = now()")
        await running.timeline.open_approval(BO)
        [sent] = await running.timeline.until("sent")
        [failed] = await running.timeline.until("failed")

        assert sent.recipient == "bo@example.com"
        assert failed.error.startswith("the delivery cannot be read: runId: Field required")


async def test_a_send_under_way_is_finished_at_shutdown(run: Run, database_url: str) -> None:
    """Stopping takes nothing in and lets what is on its way arrive, so that it need not be sent twice."""
    async with smtp_server() as mailbox:
        context = run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}")
        running = await context.__aenter__()
        mailbox.answers.append(STALL)
        await running.timeline.open_approval(ANA)
        await mailbox.holds(1)
        closing = asyncio.create_task(context.__aexit__(None, None, None))
        asyncio.get_running_loop().call_later(0.1, mailbox.resume.set)
        await closing

        conn = await asyncpg.connect(database_url)
        assert await conn.fetchval("SELECT status FROM notifier.deliveries") == "sent"
        await conn.close()


async def test_what_a_dead_notifier_left_is_sent_by_the_next(run: Run) -> None:
    """A delivery that was recorded and not sent outlives the process."""
    async with run() as running:
        await recorded_in_an_hour(running.notifier.deps)
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        await make_due(running.notifier.deps.pool)
        running.notifier.deps.wake.set()

        assert len(await mailbox.holds(1)) == 1


async def test_a_delivery_that_has_ended_stays_as_it_ended(run: Run) -> None:
    """The database itself refuses to change it."""
    async with run() as running:
        await running.timeline.open_approval(ANA)
        await running.timeline.until("failed")

        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="has ended as failed"):
            await running.notifier.deps.pool.execute("UPDATE deliveries SET status = 'pending', due_at = now()")


async def test_the_database_holds_no_secret(run: Run, database_url: str) -> None:
    """Passwords, tokens and signing keys are in no row, though every channel has failed with them."""
    secrets = ["canary-smtp", "canary-slack", "Y2FuYXJ5LXdlYmhvb2stY2FuYXJ5LWNhbmFyeQ=="]
    async with smtp_server() as mailbox, slack_server() as slack, http_server() as hook:
        mailbox.answers.append("451 busy")
        slack.answers["/api/chat.postMessage"].append(slack_error("invalid_auth"))
        async with run(
            smtp_url=f"smtp://user:canary-smtp@127.0.0.1:{mailbox.port}",
            slack_token="canary-slack",
            slack_base_url=f"{slack.origin}/api/",
            webhook_secret=f"whsec_{secrets[2]}",
            webhook_allow_private=True,
            delivery_tries=1,
        ) as running:
            await running.timeline.open_approval(ANA, Slack(channel_id="C1"), Webhook(f"{hook.origin}/missing"))
            await running.timeline.until("failed", 2)
            await running.timeline.until("sent", 1)

    conn = await asyncpg.connect(database_url)
    tables = await conn.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'notifier'")
    dump = [str(await conn.fetch(f'SELECT * FROM notifier."{table["table_name"]}"')) for table in tables]
    await conn.close()
    assert not [secret for secret in secrets if secret in "".join(dump)]


async def test_a_message_may_hold_any_character(run: Run) -> None:
    """A NUL or a line of another script does not keep a message from being recorded and sent."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        await running.timeline.open_approval(ANA, message="a\x00b 日本語", context={"\x00": "\x00"})
        await running.timeline.until("sent")

        assert "ab 日本語" in mailbox.mails[0].text


async def test_metrics_tell_what_is_due(run: Run) -> None:
    """The gauge counts deliveries that wait to be tried now."""
    async with run() as running:
        deps = running.notifier.deps
        await recorded_in_an_hour(deps)
        async with deps.pool.acquire() as conn, conn.transaction():
            assert await store.count_due(conn) == 0
            await make_due(conn)
            assert await store.count_due(conn) == 1


async def recorded_in_an_hour(deps: Any) -> Any:
    """The id of a delivery that nobody tries before a test makes it due."""
    draft = Draft(uuid4(), ANA, Notice(run_id="run-1", workflow="delete-user", message="Hello"))
    async with deps.pool.acquire() as conn, conn.transaction():
        await store.record(conn, [draft])
        await conn.execute("UPDATE deliveries SET due_at = now() + interval '1 hour'")
    return draft.id


async def make_due(conn: Any) -> None:
    await conn.execute("UPDATE deliveries SET due_at = now()")
