"""What a service tells of its quarantine: everything that comes and goes, once, and in an order that can be told."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from placet_approval.deps import Deps
from placet_approval.handlers import quarantine as shown
from placet_approval.quarantined import Name
from placet_approval.store import quarantined
from placet_contracts import cloudevents
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import Event, Handling, MessageQuarantined, MessageReleased, QuarantineHandle
from placet_contracts.topology import source
from placet_runtime import migrations, postgres, quarantine, telling
from placet_runtime.local import LocalBroker, LocalBus
from placet_runtime.migrations import Migration
from placet_runtime.outbox import Outbox
from placet_runtime.postgres import Pool
from placet_runtime.quarantine import Refused
from placet_runtime.receipts import Signer, generate_key


class Side:
    """An executor that does nothing but keep messages, on a bus that nobody listens to."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.outbox = Outbox(pool, LocalBus(LocalBroker(), "executor"))

    async def keep(self, *texts: str) -> list[UUID]:
        """Have messages lie in quarantine."""
        refused = [Refused("run.cancel.v1", "no", text.encode()) for text in texts]
        await quarantine.add(self.pool, "executor", refused)
        rows = await self.pool.fetch("SELECT id, convert_from(body, 'UTF8') AS text FROM quarantine")
        by_text = {row["text"]: row["id"] for row in rows}
        return [by_text[text] for text in texts]

    async def told(self) -> list[Event]:
        """What is in the outbox once all has been told; it is empty afterwards."""
        await telling.tell(self.pool, self.outbox)
        rows = await self.pool.fetch("DELETE FROM outbox RETURNING id, events")
        in_order = [row["events"] for row in sorted(rows, key=lambda row: row["id"])]
        values = [value for events in in_order for value in cloudevents.parse(f"[{events}]".encode())]
        return [cloudevents.decode(value).data for value in values]

    async def do(self, action: Handling, id: UUID, seq: int) -> None:
        """An order of the approval service's."""
        order = QuarantineHandle(service="executor", message_id=id, seq=seq, action=action, by="user:ana")
        await telling.on_quarantine_handle(self, [CloudEvent("1", source("approval"), order)])

    async def ids(self) -> set[UUID]:
        return {row["id"] for row in await self.pool.fetch("SELECT id FROM quarantine")}


@pytest.fixture
async def side(database_url: str) -> AsyncIterator[Side]:
    async with postgres.connect(database_url, "executor", size=3) as pool:
        yield Side(pool)


def gone(events: Sequence[Event]) -> dict[UUID, tuple[str, str | None]]:
    """What is told to have left: how, by whom."""
    return {each.message_id: (each.outcome, each.by) for each in events if isinstance(each, MessageReleased)}


def kept(events: Sequence[Event]) -> dict[UUID, int]:
    """What is told to be there: as what."""
    return {each.message_id: each.seq for each in events if isinstance(each, MessageQuarantined)}


async def test_what_was_there_before_an_upgrade_is_told_once(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What older services kept, however much it is; with a broker or without one, as it is in the outbox."""
    every = migrations.of("executor")

    def before(service: str) -> list[Migration]:
        return [migration for migration in every if "told" not in migration.name]

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "of", before)
        await migrations.apply(empty_database_url, "executor")
    conn = await asyncpg.connect(empty_database_url, server_settings={"search_path": "executor"})
    await conn.execute(
        """
        INSERT INTO quarantine (id, type, reason, body)
        SELECT gen_random_uuid(), 'dead', 'old', '\\x00'::bytea FROM generate_series(1, 250)
        """
    )
    await conn.close()
    await migrations.apply(empty_database_url, "executor")

    async with postgres.connect(empty_database_url, "executor", size=2) as pool:
        upgraded = Side(pool)
        assert set(kept(await upgraded.told())) == await upgraded.ids()
        assert await upgraded.told() == []


async def test_whichever_way_a_message_leaves_is_told(side: Side) -> None:
    """By commands, after its time, taken in after all, by an order: with who did it."""
    ids = await side.keep("taken", "discarded", "expired", "replayed", "ordered")
    taken, discarded, expired, replayed, ordered = ids
    seqs = kept(await side.told())
    assert list(seqs) == ids
    await side.pool.execute("UPDATE quarantine SET created_at = 'epoch' WHERE id = $1", expired)

    assert await quarantine.take(side.pool, taken) == b"taken"
    assert await quarantine.discard(side.pool, [discarded, uuid4()]) == 1
    assert await quarantine.expire(side.pool, timedelta(days=1), 100) == 1
    assert await quarantine.retry(side.pool, [replayed]) == 1
    await quarantine.taken_in(side.pool, replayed)
    await side.do("discard", ordered, seqs[ordered])

    operator = await side.pool.fetchval("SELECT 'db:' || session_user")
    assert gone(await side.told()) == {
        taken: ("discarded", operator),
        discarded: ("discarded", operator),
        expired: ("discarded", "clock"),
        replayed: ("replayed", operator),
        ordered: ("discarded", "user:ana"),
    }
    assert await side.told() == []
    assert await side.ids() == set()


async def test_an_order_is_for_the_message_as_it_was_told(side: Side) -> None:
    """A late or repeated one does nothing to what has come again, or was refused once more; it is no error."""
    [id] = await side.keep("again")
    first = kept(await side.told())[id]
    await side.do("discard", id, first)
    await side.keep("again")

    await side.do("discard", id, first)
    assert await side.ids() == {id}
    events = await side.told()
    assert (set(kept(events)), gone(events)) == ({id}, {})

    second = kept(events)[id]
    await side.do("replay", id, second)
    assert [each.id for each in await quarantine.to_retry(side.pool, 9)] == [id]
    await quarantine.refuse_again(side.pool, id, "not yet")
    [told] = await side.told()
    assert isinstance(told, MessageQuarantined)
    assert (told.reason, told.seq > second) == ("not yet", True)
    await side.do("replay", id, second)
    assert await quarantine.to_retry(side.pool, 9) == []


async def test_what_an_order_does_not_find_is_told_to_be_gone(side: Side) -> None:
    """So that nobody waits for it for ever."""
    missing = uuid4()
    await side.do("replay", missing, 7)

    assert gone(await side.told()) == {missing: ("discarded", None)}


async def test_an_order_is_for_one_service(side: Side) -> None:
    """Each hears all of them."""
    [id] = await side.keep("mine")
    seq = kept(await side.told())[id]
    order = QuarantineHandle(service="notifier", message_id=id, seq=seq, action="discard", by="user:ana")
    await telling.on_quarantine_handle(side, [CloudEvent("1", source("approval"), order)])

    assert await side.ids() == {id}


async def test_one_replica_tells_at_a_time(side: Side) -> None:
    """What another is about to tell is left to it; numbers grow in the order of what is told."""
    [id] = await side.keep("mine")
    async with side.outbox.transaction() as (conn, _):
        assert set(kept(await telling.untold(conn, "executor"))) == {id}
        await telling.tell(side.pool, side.outbox)
        assert await side.pool.fetchval("SELECT count(*) FROM outbox") == 0


# --- as the approval service hears it


@pytest.fixture
async def approval(database_url: str) -> AsyncIterator[Deps]:
    async with postgres.connect(database_url, "approval", size=3) as pool:
        outbox = Outbox(pool, LocalBus(LocalBroker(), "approval"))
        yield Deps(pool=pool, outbox=outbox, signer=Signer(generate_key()), changed=lambda ids: None)


NAME = Name("executor", UUID(int=7))


def said(event: Event) -> list[CloudEvent[Event]]:
    return [CloudEvent(str(uuid4()), source("executor"), event)]


def is_kept(seq: int) -> MessageQuarantined:
    return MessageQuarantined(
        service=NAME.service,
        message_id=NAME.id,
        seq=seq,
        event_type="dead",
        reason=f"reason {seq}",
        at=datetime.now(UTC),
        size=1,
        body="x",
    )


def has_left(seq: int, by: str = "user:ana") -> MessageReleased:
    return MessageReleased(
        service=NAME.service, message_id=NAME.id, seq=seq, outcome="replayed", by=by, at=datetime.now(UTC)
    )


async def test_what_is_told_in_any_order_comes_to_the_same(approval: Deps) -> None:
    """The latest word counts, whenever it is heard and however often."""
    everything = {"service": None, "event_type": None, "after": None, "limit": 10}
    for seq in (1, 3, 2, 3, 1):
        await shown.on_message_quarantined(approval, said(is_kept(seq)))  # type: ignore[arg-type]
    await shown.on_message_released(approval, said(has_left(2)))  # type: ignore[arg-type]
    [message] = await shown.listed(approval, **everything)  # type: ignore[arg-type]
    assert message.reason == "reason 3"

    await shown.on_message_released(approval, said(has_left(4)))  # type: ignore[arg-type]
    await shown.on_message_released(approval, said(has_left(5, by="user:eve")))  # type: ignore[arg-type]
    await shown.on_message_quarantined(approval, said(is_kept(3)))  # type: ignore[arg-type]
    assert await shown.listed(approval, **everything) == []  # type: ignore[arg-type]
    message = await shown.get(approval, NAME)
    assert (message.outcome, message.released_by, message.body) == ("replayed", "user:ana", "")


async def test_that_it_has_left_may_be_heard_first(approval: Deps) -> None:
    """Then it was never there for anybody."""
    await shown.on_message_released(approval, said(has_left(2)))  # type: ignore[arg-type]
    await shown.on_message_quarantined(approval, said(is_kept(1)))  # type: ignore[arg-type]

    assert await shown.find(approval, [NAME]) == []
    assert await shown.count(approval) == 0


async def test_what_has_left_is_forgotten_after_a_week(approval: Deps) -> None:
    """And nothing that is there ever is."""
    await shown.on_message_quarantined(approval, said(is_kept(1)))  # type: ignore[arg-type]
    await approval.pool.execute("UPDATE quarantined SET at = 'epoch'")
    await shown.forget(approval)
    assert await shown.count(approval) == 1

    await shown.on_message_released(approval, said(has_left(2)))  # type: ignore[arg-type]
    await shown.forget(approval)
    assert len(await shown.find(approval, [NAME])) == 1
    await approval.pool.execute("UPDATE quarantined SET released_at = released_at - interval '8 days'")
    await shown.forget(approval)
    assert await approval.pool.fetchval("SELECT count(*) FROM quarantined") == 0


async def test_many_are_asked_for_at_once(approval: Deps) -> None:
    """One statement and one order each; what is not there is told beside the others."""
    await shown.on_message_quarantined(approval, said(is_kept(1)))  # type: ignore[arg-type]
    other = Name("executor", UUID(int=8))

    done, missing = await shown.ask(approval, [NAME, other], "discard", "user:ana")

    assert not isinstance(done, Exception)
    assert (done.asked, done.waits) == ("discard", True)
    assert "there is no message" in str(missing)
    rows = await approval.pool.fetch("SELECT subscriber, events FROM outbox ORDER BY subscriber")
    assert [row["subscriber"] for row in rows] == ["executor", "notifier"]
    async with approval.pool.acquire() as conn:
        assert await quarantined.ask(conn, [NAME], "discard", "user:bo") == []
