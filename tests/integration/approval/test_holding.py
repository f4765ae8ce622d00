"""Decisions that are held for a moment: they can be undone, are released once, and say so when they come too late."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from kit.desk import Desk, asks, desk
from placet_approval.domain import (
    AlreadyResolved,
    AlreadyVoted,
    Approval,
    ContentChanged,
    Decision,
    Held,
    NotAllowed,
    NotFound,
    TermsChanged,
)
from placet_approval.handlers import decisions, holding, operating
from placet_runtime import fail


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Desk]:
    """Two of finance, one of legal, and somebody who looks on."""
    async with desk(database_url) as made:
        await made.know("ana", "finance")
        await made.know("bo", "finance")
        await made.know("cy", "legal")
        await made.know("vi", roles=["viewer"])
        yield made


async def held(office: Desk, *made: Decision) -> list[Held]:
    """Decisions that must be held."""
    found = []
    for result in await holding.hold(office.deps, made):
        assert isinstance(result, Held), result
        found.append(result)
    return found


def _die() -> None:
    raise fail.Crash


async def past(office: Desk) -> None:
    """Let the time pass for which decisions are held."""
    await office.deps.pool.execute("UPDATE held SET release_at = now() WHERE state = 'held'")


async def became(office: Desk, *ids: UUID) -> list[tuple[str, str | None, str | None]]:
    """What became of what was held, in the order in which it was made."""
    rows = await office.deps.pool.fetch("SELECT id, state, outcome, refusal FROM held ORDER BY made_at, id")
    return [(row["state"], row["outcome"], row["refusal"]) for row in rows if not ids or row["id"] in ids]


async def test_a_decision_is_released_once_its_time_is_up(office: Desk) -> None:
    """And not before; then it is a decision as any other, of its maker."""
    id = await office.ask()
    [mine] = await held(office, await office.decision("ana", id, comment="fine"))

    assert (mine.state, (mine.release_at - mine.made_at).total_seconds()) == ("held", 5)
    assert await holding.release(office.deps) == 0
    assert (await office.approval(id)).status == "pending"
    await past(office)
    assert await holding.release(office.deps) == 1

    approval = await office.approval(id)
    assert (approval.status, approval.resolved_by, approval.comment, approval.channel) == (
        "approved",
        "user:ana",
        "fine",
        "inbox",
    )
    assert await became(office) == [("released", "approved", None)]
    assert await holding.release(office.deps) == 0
    assert office.moved.count(str(id)) >= 2  # pages are told as it is held, and as it is released


async def test_what_is_undone_was_never_decided(office: Desk) -> None:
    """By its maker alone, and until it is released; after that it can be decided otherwise."""
    id = await office.ask()
    [mine] = await held(office, await office.decision("ana", id))

    assert await holding.undo(office.deps, [mine.id], (await office.decision("bo", id)).subject or "") == []
    [undone] = await holding.undo(office.deps, [mine.id], mine.subject)
    assert (undone.id, undone.state) == (mine.id, "undone")
    await past(office)
    assert await holding.release(office.deps) == 0
    assert (await office.approval(id)).status == "pending"

    [other] = await held(office, await office.decision("ana", id, "reject"))
    await past(office)
    await holding.release(office.deps)
    assert await holding.undo(office.deps, [other.id], other.subject) == []
    assert (await office.approval(id)).status == "rejected"


async def test_what_cannot_be_is_said_at_once(office: Desk) -> None:
    """And nothing is held of it; the rest of what was decided together is."""
    plain, other, group, ended = [
        await office.ask(),
        await office.ask(),
        await office.ask(asks("group:legal")),
        await office.ask(),
    ]
    voted = await office.ask(asks("group:finance", required=2))
    await office.decide("ana", voted)
    await office.decide("bo", ended)
    own = await office.ask(requested_by="user:ana")

    results = await holding.hold(
        office.deps,
        [
            await office.decision("ana", plain),
            await office.decision("ana", uuid4()),
            await office.decision("ana", group),
            await office.decision("ana", ended, "reject"),
            await office.decision("ana", own),
            await office.decision("ana", voted, "reject"),
            await office.decision("ana", other, digest="of something else"),
            await office.decision("bo", voted, revision=7),
            await office.decision("vi", other),
            Decision(other, "approve", "user:nobody", "inbox"),
            await office.decision("ana", other),
        ],
    )

    kinds = [result.state if isinstance(result, Held) else type(result) for result in results]
    assert kinds == [
        "held",
        NotFound,
        NotAllowed,
        AlreadyResolved,
        NotAllowed,
        AlreadyVoted,
        ContentChanged,
        TermsChanged,
        NotAllowed,
        NotAllowed,
        "held",
    ]
    assert str(results[2]) == "ana is not asked: it needs group:legal"
    assert len(await became(office)) == 2


async def test_the_same_again_is_no_second_decision(office: Desk) -> None:
    """A double click; the other verdict must be undone first."""
    id = await office.ask()
    [first, again] = await held(office, await office.decision("ana", id), await office.decision("ana", id))
    [once_more] = await held(office, await office.decision("ana", id))
    [otherwise] = await holding.hold(office.deps, [await office.decision("ana", id, "reject")])

    assert first == again == once_more
    assert isinstance(otherwise, AlreadyVoted)


async def test_who_decides_meanwhile_by_another_way_wins(office: Desk) -> None:
    """Whoever held their decision is told, once."""
    id = await office.ask()
    [mine] = await held(office, await office.decision("ana", id))
    assert {each.actor for each in (await holding.of(office.deps, [id]))[id]} == {"user:ana"}
    await office.decide("bo", id, "reject")
    await past(office)
    await holding.release(office.deps)

    [told] = await holding.mine(office.deps, mine.subject)
    assert (told.state, told.refusal) == ("refused", f"approval {id} is already rejected by user:bo")
    assert await holding.of(office.deps, [id]) == {}
    await holding.told(office.deps, [told.id], mine.subject)
    assert await holding.mine(office.deps, mine.subject) == []
    approval = await office.approval(id)
    assert (approval.status, approval.resolved_by) == ("rejected", "user:bo")


async def test_one_that_is_refused_voids_no_other(office: Desk) -> None:
    """What is released together is judged each by itself; of two on one approval the first wins."""
    one, two, three = [await office.ask() for _ in range(3)]
    await held(office, *[await office.decision("ana", id) for id in (one, two, three)])
    await held(office, await office.decision("bo", one, "reject"))
    await office.decide("bo", two)
    await past(office)

    assert await holding.release(office.deps) == 4
    assert [(await office.approval(id)).resolved_by for id in (one, two, three)] == ["user:ana", "user:bo", "user:ana"]
    assert sorted(state for state, *_ in await became(office)) == ["refused", "refused", "released", "released"]


async def test_votes_are_held_too(office: Desk) -> None:
    """Both are released together, and make two; the one that does not end it says that it is open still."""
    id = await office.ask(asks("group:finance", required=2))
    other = await office.ask(asks("group:finance", required=2))
    for who in ("ana", "bo"):
        await held(office, await office.decision(who, id))
    [alone] = await held(office, await office.decision("ana", other))
    await past(office)
    await holding.release(office.deps)

    assert (await office.approval(id)).status == "approved"
    assert await became(office, alone.id) == [("released", "pending", None)]
    assert len((await office.approval(other)).votes) == 1


async def test_who_may_not_any_more_decides_nothing(office: Desk) -> None:
    """Roles, groups and absence are those of the moment in which it is released."""
    plain, asked = await office.ask(), await office.ask(asks("group:finance"))
    await held(office, await office.decision("ana", plain), await office.decision("ana", asked))
    await office.disable("ana")
    await past(office)
    await holding.release(office.deps)

    assert await became(office) == [("refused", None, "ana is disabled")] * 2
    assert {(await office.approval(id)).status for id in (plain, asked)} == {"pending"}


async def test_what_changed_meanwhile_was_not_decided_on(office: Desk) -> None:
    """Somebody put another in a place: the terms that were shown are not those that are decided on."""
    id = await office.ask(asks("user:ana", "user:bo"))
    await held(office, await office.decision("ana", id, revision=1))
    await operating.put_in_place(office.deps, id, "user:admin", who="user:bo", to="user:cy", comment=None)
    await past(office)
    await holding.release(office.deps)

    [(state, _, refusal)] = await became(office)
    assert (state, "was changed since it was shown" in (refusal or "")) == ("refused", True)
    assert (await office.approval(id)).status == "pending"


async def test_nothing_is_held_where_there_is_no_time_for_it(office: Desk) -> None:
    """By the same function: it comes back decided, or with the error. Nor over a deadline, by which it was made."""
    at_once = replace(office.deps, undo=0.0)
    plain, due = await office.ask(), await office.ask(expires_in=1.5)
    [done] = await holding.hold(at_once, [await office.decision("ana", plain)])
    assert isinstance(done, Held)
    assert (done.state, done.outcome) == ("released", "approved")

    [error] = await holding.hold(at_once, [await office.decision("bo", plain)])
    assert isinstance(error, AlreadyResolved)
    [near] = await held(office, await office.decision("ana", due))
    assert (near.state, near.outcome) == ("released", "approved")


async def test_what_is_late_ends_as_its_deadline_says(office: Desk) -> None:
    """Its maker is told so."""
    id = await office.ask(expires_in=3600)
    await held(office, await office.decision("ana", id))
    await office.deps.pool.execute("UPDATE approvals SET expires_at = now() WHERE id = $1", id)
    await past(office)
    await holding.release(office.deps)

    assert (await office.approval(id)).status == "expired"
    assert await became(office) == [("refused", None, f"approval {id} is already expired by clock")]


async def test_replicas_release_each_once(office: Desk) -> None:
    """However many of them, beside somebody who undoes: each is released, or undone, and never both."""
    ids = [await office.ask(asks("group:finance", required=2)) for _ in range(40)]
    mine = await held(office, *[await office.decision("ana", id) for id in ids])
    await past(office)

    releasing = asyncio.gather(*(holding.release(office.deps) for _ in range(3)))
    undone = await holding.undo(office.deps, [each.id for each in mine[::2]], mine[0].subject)
    released = await releasing

    assert sum(released) + len(undone) == len(ids)
    gone = {each.approval_id for each in undone}
    assert {id for id in ids if not (await office.approval(id)).votes} == gone


@pytest.mark.parametrize("point", ["release.before_commit", "release.after_commit"])
async def test_a_crash_loses_nothing_and_doubles_nothing(office: Desk, point: str) -> None:
    """A process that dies as it releases leaves all as it was, or all done."""
    id = await office.ask(asks("group:finance", required=2))
    await held(office, await office.decision("ana", id))
    await past(office)
    fail.arm(point, _die)
    with pytest.raises(fail.Crash):
        await holding.release(office.deps)
    fail.disarm()

    await holding.release(office.deps)
    assert [vote.actor for vote in (await office.approval(id)).votes] == ["user:ana"]
    assert await became(office) == [("released", "pending", None)]


async def test_what_waits_leaves_out_what_is_about_to_be_decided(office: Desk) -> None:
    """By oneself; for the others it is there still. What is undone is back."""
    id = await office.ask()
    [mine] = await held(office, await office.decision("ana", id))

    assert (await office.mine("ana"), await office.mine("bo")) == ([], [id])
    await holding.undo(office.deps, [mine.id], mine.subject)
    assert await office.mine("ana") == [id]


async def test_what_became_of_it_is_kept_for_a_day(office: Desk) -> None:
    """And what is held, until it is released."""
    ids = [await office.ask() for _ in range(3)]
    mine = await held(office, *[await office.decision("ana", id) for id in ids])
    await holding.undo(office.deps, [each.id for each in mine[:2]], mine[0].subject)
    await office.deps.pool.execute("UPDATE held SET ended_at = now() - interval '25 h' WHERE id = $1", mine[0].id)
    await office.deps.pool.execute("UPDATE held SET made_at = now() - interval '25 h' WHERE id = $1", mine[2].id)

    await holding.sweep(office.deps)

    rows = await office.deps.pool.fetch("SELECT id FROM held")
    assert {row["id"] for row in rows} == {mine[1].id, mine[2].id}


async def test_deciding_races_with_releasing(office: Desk) -> None:
    """One wins, and the other is told of it."""
    ids = [await office.ask() for _ in range(20)]
    await held(office, *[await office.decision("ana", id) for id in ids])
    await past(office)
    others = [await office.decision("bo", id, "reject") for id in ids]

    decided, _ = await asyncio.gather(decisions.decide(office.deps, others), holding.release(office.deps))

    states = await became(office)
    for id, result in zip(ids, decided, strict=True):
        approval = await office.approval(id)
        assert (approval.resolved_by == "user:bo") == isinstance(result, Approval)
    won = sum(isinstance(result, Approval) for result in decided)
    assert sum(state == "refused" for state, *_ in states) == won
    assert sum(state == "released" for state, *_ in states) == len(ids) - won
