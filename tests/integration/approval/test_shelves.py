"""The lists of the inbox: what stands where, in which order, and what is found."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from kit.database import empty_database
from kit.desk import Desk, asks, desk, stages
from placet_approval.domain import NotAllowed, Start
from placet_approval.handlers import holding, moments, reading, runs, shelves, users
from placet_approval.handlers.shelves import Item
from placet_approval.identity import UserChange
from placet_approval.shelf import Place, Query
from placet_approval.store import identities
from placet_contracts.policies import AuthorPolicy, Escalation, Quorum, Stage


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Desk]:
    """Two of finance, one of legal, and somebody who looks on."""
    async with desk(database_url) as made:
        await made.know("ana", "finance")
        await made.know("bo", "finance")
        await made.know("cy", "legal")
        await made.know("vi", roles=["viewer"])
        yield made


async def items(office: Desk, handle: str, query: Query) -> dict[UUID, Item]:
    page = await shelves.page(office.deps, await office.person(handle), query)
    return {item.id: item for item in page.items}


async def test_each_sees_what_waits_for_them(office: Desk) -> None:
    """What asks anybody waits for all who decide; what asks somebody, for them; nothing for who only looks on."""
    plain, group, named = await office.ask(), await office.ask(asks("group:legal")), await office.ask(asks("user:ana"))
    own = await office.ask(requested_by="user:ana")

    assert await office.mine("ana") == [named, plain]
    assert await office.mine("bo") == [own, plain]
    assert await office.mine("cy") == [own, group, plain]
    assert await office.mine("vi") == []
    assert await office.on("all", "vi") == [own, named, group, plain]


async def test_whoever_is_named_and_has_not_the_role_has_nothing_to_decide(office: Desk) -> None:
    """Themselves, in a group, or for somebody; nor does anybody for them. Their group is asked, and they see that."""
    await office.know("viv", "finance", roles=["viewer"])
    named, group = await office.ask(asks("user:viv")), await office.ask(asks("group:finance"))
    await office.away("viv", "cy")
    await office.away("ana", "viv")

    assert (await office.mine("viv"), await office.mine("cy")) == ([], [])
    assert await office.on("groups", "viv") == [group]
    for handle, id in (("viv", named), ("viv", group), ("cy", named)):
        assert isinstance(await office.decide(handle, id), NotAllowed)
    assert (await office.approval(named)).status == (await office.approval(group)).status == "pending"


async def test_a_role_that_is_taken_away_takes_what_waits(office: Desk) -> None:
    """Also what was decided a moment ago, and is not released yet."""
    named, plain = await office.ask(asks("user:ana")), await office.ask()
    await holding.hold(office.deps, [await office.decision("ana", id) for id in (named, plain)])
    await office.give("ana", "viewer")

    assert await office.mine("ana") == []
    async with office.deps.pool.acquire() as conn:
        await conn.execute("UPDATE held SET release_at = now()")
    assert await holding.release(office.deps) == 2
    assert (await office.approval(named)).status == (await office.approval(plain)).status == "pending"


async def test_a_stage_asks_others_than_the_one_before(office: Desk) -> None:
    """As votes are cast, who is asked moves on; what was decided waits for nobody."""
    id = await office.ask(stages("group:finance", "group:legal"))
    assert (await office.mine("ana"), await office.mine("cy")) == ([id], [])
    await office.decide("ana", id)
    assert (await office.mine("ana"), await office.mine("bo"), await office.mine("cy")) == ([], [], [id])
    await office.decide("cy", id)
    assert await office.mine("cy") == []
    assert await office.on("history", "vi") == [id]


async def test_a_group_sees_what_its_members_have_had_their_say_on(office: Desk) -> None:
    """As long as the group is asked."""
    id = await office.ask(asks("group:finance", required=2))
    await office.decide("ana", id)

    assert (await office.mine("ana"), await office.on("groups", "ana")) == ([], [id])
    [item] = (await items(office, "ana", Query("groups"))).values()
    assert (item.given, item.required, item.can_decide) == (1, 2, False)
    assert await office.on("groups", "cy") == []


async def test_who_stands_in_for_somebody_sees_theirs(office: Desk) -> None:
    """And for whom; not what those have asked for themselves."""
    id, own = await office.ask(asks("user:ana")), await office.ask(asks("user:ana"), requested_by="user:ana")
    await office.away("ana", "cy")

    found = await items(office, "cy", Query("mine"))
    assert [(each.id, each.on_behalf_of) for each in found.values()] == [(id, "ana")]
    assert own not in found


async def test_who_is_added_by_an_escalation_sees_it(office: Desk) -> None:
    """From then on."""
    policy = AuthorPolicy(
        stages=(Stage(quorums=(Quorum(approvers=("user:ana",)),)),),
        escalations=(Escalation(after=0.001, to=("group:legal",)),),
    )
    id = await office.ask(policy)
    assert await office.mine("cy") == []
    await moments.pass_by(office.deps)
    assert (await office.mine("cy"), await office.on("groups", "cy")) == ([id], [id])


async def test_what_is_cancelled_waits_for_nobody(office: Desk) -> None:
    """Whoever was asked."""
    id = await office.ask(asks("user:ana"))
    await runs.cancel(office.deps, f"run-{id}", await office.caller("bo"))

    assert await office.mine("ana") == []
    assert await office.deps.pool.fetchval("SELECT count(*) FROM approvers") == 0


async def test_an_order_by_deadline_begins_with_the_soonest(office: Desk) -> None:
    """Those without a deadline come last, page by page."""
    asked = [await office.ask(expires_in=seconds) for seconds in (None, 900.0, 300.0, None, 600.0)]
    never, late, soon, newer, later = asked

    for limit in (1, 2, 3, 50):
        assert await office.mine("ana", order="due", limit=limit) == [soon, later, late, newer, never]
        assert await office.on("all", "vi", order="due", limit=limit) == [soon, later, late, newer, never]
    assert await office.on("all", "vi", order="oldest", limit=2) == asked


async def test_the_history_begins_with_what_was_decided_last(office: Desk) -> None:
    """Whenever it was asked for."""
    one, two, three = [await office.ask() for _ in range(3)]
    await office.decide("ana", two)
    await office.decide("bo", one, "reject")
    await office.decide("ana", three)

    assert await office.on("history", "vi", limit=2) == [three, one, two]
    assert await office.on("history", "vi", order="oldest") == [two, one, three]
    assert await office.on("history", "vi", outcome="rejected") == [one]
    assert await office.on("history", "vi", outcome="approved", limit=1) == [three, two]
    found = await items(office, "vi", Query("history"))
    assert [(each.resolved_by, each.given, each.required) for each in found.values()] == [
        ("user:ana", 1, 1),
        ("user:bo", 0, 1),
        ("user:ana", 1, 1),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("refund", {"a"}),
        ("REFUND of 5%", {"a"}),
        ("5_", set()),
        ("an MÜ", {"b"}),
        ("AN mü", {"b"}),
        ("pay", {"a", "b"}),
        ("run-B", {"b"}),
        ("user:cy", {"b"}),
        ("first line", {"c"}),
        ("no such thing", set()),
        ("\0", set()),
        ("", {"a", "b", "c"}),
    ],
)
async def test_a_search_finds_what_is_shown(office: Desk, text: str, found: set[str]) -> None:
    """Part of a title, a workflow, a run's id or a requester, in whatever case; nothing in it is a pattern."""
    ids = {
        "a": await office.ask(title="Refund of 5% of it", workflow="payments", run_id="run-a"),
        "b": await office.ask(title="An MÜLLER", workflow="payments", run_id="run-b", requested_by="user:cy"),
        "c": await office.ask(asks("user:ana"), message="\nFirst line\nsecond", run_id="other"),
    }

    for shelf in ("mine", "all"):
        assert set(await office.on(shelf, "ana", text=text)) == {ids[name] for name in found}
    assert {each.title for each in (await items(office, "ana", Query("mine", text="first"))).values()} == {"First line"}


async def test_a_search_folds_all_letters_whatever_the_locale(postgres_url: str) -> None:
    """Also in a database whose own locale knows ASCII alone, such as the embedded one; users and runs, too."""
    async with empty_database(postgres_url, "C") as url, desk(url) as office:
        await office.know("ana")
        id = await office.ask(title="Zahlung an MÜLLER, Ωmega", run_id="run-1")

        for text in ("müller", "Müller, ωMEGA", "zahlung", "MÜLLER"):
            assert await office.mine("ana", text=text) == [id]
        assert await office.mine("ana", text="muller") == []
        async with office.deps.pool.acquire() as conn:
            await users.change(conn, UserChange("ana", name="Ängström"))
            assert [each.handle for each in await identities.every_user(conn, search="äNGSTRÖM")] == ["ana"]
        await runs.start(office.deps, [Start("run-2", "w", 1, "null", "Ökoteam", None)])
        found = await reading.list_runs(
            office.deps, workflow=None, status=None, parked=None, after=None, limit=5, text="ÖKO"
        )
        assert [run.id for run in found] == ["run-2"]


async def test_filters_go_together(office: Desk) -> None:
    """What is asked for is all that is found."""
    one = await office.ask(workflow="w1", gate="legal", requested_by="user:bo")
    await office.ask(workflow="w1", gate="legal", requested_by="user:cy")
    await office.ask(workflow="w1", gate="money", requested_by="user:bo")
    await office.ask(workflow="w2", gate="legal", requested_by="user:bo")

    assert await office.mine("ana", workflow="w1", gate="legal", requester="user:bo") == [one]


async def test_the_next_one_is_the_one_behind(office: Desk) -> None:
    """Also where that which was decided is gone; behind the last comes the first, as long as there is another."""
    third, second, first = [await office.ask() for _ in range(3)]
    ana, query = await office.person("ana"), Query("mine")

    async def following(id: UUID) -> UUID | None:
        return await shelves.next_after(office.deps, ana, id, query)

    assert [await following(id) for id in (first, second, third)] == [second, third, first]
    await office.decide("ana", second)
    assert [await following(id) for id in (first, second, third)] == [third, third, first]
    await office.decide("bo", third)
    assert (await following(second), await following(first)) == (first, None)


async def test_pages_stay_whole_while_others_decide(office: Desk) -> None:
    """What was on the page before is not there again, and nothing is left out."""
    asked = [await office.ask() for _ in range(6)][::-1]
    ana = await office.person("ana")
    first = await shelves.page(office.deps, ana, Query("mine"), limit=3)
    await office.decide("bo", asked[2])
    await office.decide("bo", asked[4])
    await office.ask()

    assert first.next is not None
    rest = await shelves.page(office.deps, ana, Query("mine"), after=first.next, limit=3)
    assert [item.id for item in rest.items] == [asked[3], asked[5]]


@pytest.mark.parametrize("text", ["", "x", "0.1", "7.1.00", "0.x.00", "-1.1.00", f"0.{10**40}.{'0' * 32}", "0.1.zz"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    """Whatever somebody writes into the address."""
    with pytest.raises(ValueError, match="is no place"):
        Place.of(text, Query("mine"))
