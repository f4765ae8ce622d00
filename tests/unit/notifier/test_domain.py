"""When deliveries are tried again, and what they are known by."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from placet_contracts.destinations import Email, Slack, Webhook
from placet_contracts.events import ApprovalOpened
from placet_notifier.domain import (
    Claimed,
    SendFailed,
    TryLater,
    Undeliverable,
    backoff,
    drafts_of_approval,
    dump_destination,
    failed,
    load_destination,
    recipient,
    retry_after,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def claimed(attempt: int) -> Claimed:
    return Claimed(uuid4(), "email", "{}", "{}", attempt, uuid4(), NOW)


def wait(attempt: int, at_least: timedelta | None = None, spread: float = 0) -> timedelta:
    return backoff(attempt, first=5 * SECOND, at_least=at_least, spread=spread)


def test_backoff_doubles_up_to_a_quarter_of_an_hour() -> None:
    """Tries come at growing distances, and never further apart than 15 minutes and the jitter."""
    assert [wait(attempt) // SECOND for attempt in (1, 2, 3, 8, 9, 100)] == [5, 10, 20, 640, 900, 900]


def test_backoff_honours_what_the_other_side_asks_for_within_reason() -> None:
    """Retry-After is a floor of the delay, up to an hour; it does not shorten the back-off."""
    assert wait(1, at_least=60 * SECOND) == 60 * SECOND
    assert wait(5, at_least=SECOND) == 80 * SECOND
    assert wait(1, at_least=timedelta(days=9)) == timedelta(hours=1)


def test_jitter_only_lengthens() -> None:
    """Deliveries that failed together are tried apart, and none too early."""
    assert wait(1, at_least=100 * SECOND, spread=1) == 125 * SECOND


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        (None, None),
        ("30", 30 * SECOND),
        ("Tue, 24 Nov 2026 12:00:05 GMT", 5 * SECOND),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0 * SECOND),
        ("soon", None),
        ("-3", None),
        ("9" * 400, 10**6 * SECOND),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(header: str | None, delay: timedelta | None) -> None:
    """Seconds or a date; anything else is as if it were not there."""
    assert retry_after(header, NOW) == delay


@pytest.mark.parametrize(
    ("error", "attempt", "status", "text"),
    [
        (TryLater("busy"), 1, "retrying", "busy"),
        (TryLater("busy"), 3, "failed", "busy (gave up after 3 tries)"),
        (Undeliverable("unknown", "no\r\nsuch user\x00"), 1, "failed", "unknown: no such user"),
    ],
)
def test_a_failed_attempt_is_repeated_only_where_that_can_help(
    error: SendFailed, attempt: int, status: str, text: str
) -> None:
    """What cannot work ends at once, what may work later is tried a bounded number of times; both say why."""
    settlement = failed(claimed(attempt), error, tries=3, first=SECOND, spread=0)

    assert (settlement.status, settlement.error) == (status, text)
    assert (settlement.retry_in is not None) == (status == "retrying")


def test_an_approval_has_one_delivery_a_destination_always_with_the_same_id() -> None:
    """A repeated event names the same deliveries; another destination or approval names others."""
    event = ApprovalOpened(
        approval_id=UUID(int=1),
        run_id="r",
        workflow="w",
        version=1,
        gate="approval",
        destinations=[Email("ana@example.com"), Slack(channel_id="C1"), Slack(channel_id="C1", thread_ts="1.2")],
        opened_at=NOW,
    )
    ids = [draft.id for draft in drafts_of_approval(event)]

    assert len(set(ids)) == 3
    assert ids == [
        draft.id for draft in drafts_of_approval(ApprovalOpened.model_validate_json(event.model_dump_json()))
    ]
    assert not set(ids) & {draft.id for draft in drafts_of_approval(event.model_copy(update={"approval_id": uuid4()}))}


def test_destinations_survive_the_database() -> None:
    """What is written is read back equal."""
    for destination in (Email("ana@example.com"), Slack(channel_id="C1", thread_ts="1.2"), Webhook("https://a.test/x")):
        assert load_destination(dump_destination(destination)) == destination


def test_a_webhook_is_shown_without_what_may_be_secret() -> None:
    """The timeline names a webhook by its origin: paths and queries often carry a token."""
    assert (
        recipient(Webhook("https://hooks.example.com:8443/T0/s3cret?token=s3cret")) == "https://hooks.example.com:8443"
    )
    assert recipient(Email("ana@example.com")) == "ana@example.com"
