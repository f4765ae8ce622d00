"""The lists of the inbox: what waits for somebody, for their groups, for anybody, and what has ended."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from placet_approval.deps import Deps
from placet_approval.domain import Approval, Person, Status, Verdict
from placet_approval.handlers.voting import look
from placet_approval.policy.authoriser import Allowed, asked_as, asked_now, authorise
from placet_approval.policy.people import may_decide, subject
from placet_approval.policy.votes import given as count
from placet_approval.shelf import Place, Query, Reader, Side
from placet_approval.store import delegations, held, identities, shelves, votes
from placet_runtime.postgres import Connection, planned_for_values

LOOKED_AT = 10_000  # approvals of a shelf that are looked at for what no index has, for one page
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Item:
    """An approval as a list has it.

    ``given`` of ``required`` approve it so far; ``can_decide``: whether who looks can, on behalf of somebody where they
    stand in; ``held``: their decision that is not released yet, with which they cannot.
    """

    id: UUID
    run_id: str
    workflow: str
    version: int
    gate: str
    title: str  # or the first line of its message
    requested_by: str | None
    opened_at: datetime
    expires_at: datetime | None
    status: Status
    resolved_by: str | None
    resolved_at: datetime | None
    digest: str
    revision: int
    given: int
    required: int
    can_decide: bool
    on_behalf_of: str | None
    held: Verdict | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a shelf. ``next`` is where the next page begins.

    ``cut``: no index has what was asked for; so many were looked at for this page, and the next looks further.
    """

    items: Sequence[Item]
    next: Place | None
    cut: bool = False
    looked_at: int = LOOKED_AT


@dataclass(frozen=True, slots=True)
class Counts:
    """How many wait for somebody, and for their groups; up to `MOST_COUNTED` each, which means more than that."""

    mine: int
    groups: int

    def words(self, shelf: Literal["mine", "groups"]) -> str:
        count = self.mine if shelf == "mine" else self.groups
        return str(count) if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


async def page(deps: Deps, person: Person, query: Query, *, after: Place | None = None, limit: int = 50) -> Page:
    """A page of a shelf, as somebody sees it.

    ``mine`` is what the authoriser lets them decide on now, but for what they hold a decision on. It is asked about
    each approval that is shown, so a page of ``mine`` may have fewer than ``limit``, and a next one. Approvals of a run
    whose id is the text that is searched for come first.
    """
    async with _walking(deps) as conn:
        reader = await _reader(conn, person)
        exact = await shelves.of_run(conn, query, query.text) if query.text and after is None else []
        places, cut, rest = await _places(conn, query, reader, after, limit)
        shown = _shown(query, person, await _items(deps, conn, person, [*exact, *(place.id for place in places)]))
    return Page(shown, rest, cut)


async def counts(deps: Deps, person: Person) -> Counts:
    """How many approvals wait for somebody, and for their groups, as navigation shows it."""
    async with _walking(deps) as conn:
        reader = await _reader(conn, person)
        mine = await shelves.places(conn, Query("mine"), reader, 0, limit=MOST_COUNTED)
        groups = await shelves.places(conn, Query("groups"), reader, 0, limit=MOST_COUNTED)
    return Counts(len(mine), len(groups))


async def next_after(deps: Deps, person: Person, id: UUID, query: Query) -> UUID | None:
    """The approval that comes behind this one on a shelf, or the first, behind the last; ``None`` if there is no other.

    It need not be on the shelf any more.
    """
    async with _walking(deps) as conn:
        reader = await _reader(conn, person)
        here = await shelves.place_of(conn, query, id)
        for after in (here, None) if here is not None else (None,):
            places, _, _ = await _places(conn, query, reader, after, _SOME)
            ids = [place.id for place in places if place.id != id]
            if shown := _shown(query, person, await _items(deps, conn, person, ids)):
                return shown[0].id
    return None


_SOME = 10  # that are looked at for one which can be shown


@asynccontextmanager
async def _walking(deps: Deps) -> AsyncIterator[Connection]:
    async with planned_for_values(deps.pool) as conn:
        await shelves.walk(conn)
        yield conn


async def _reader(conn: Connection, person: Person) -> Reader:
    """Somebody, and for whom they stand in just now; nobody, if they may not decide."""
    groups = [f"group:{name}" for name in sorted(person.groups)]
    if not may_decide(person):
        return Reader(groups=[] if person.disabled else groups)
    actor = f"user:{person.handle}"
    away = {principal for _, principal in await delegations.current(conn, [actor])}
    absent = await identities.resolve(conn, sorted(away)) if away else {}
    people = {each.id: each for each in (person, *absent.values()) if may_decide(each)}
    names = await identities.names(conn, list(people))
    sides = {id: Side(subject(each), sorted(names.get(id, ())), sorted(asked_as(each))) for id, each in people.items()}
    return Reader([sides.pop(person.id), *sides.values()], groups)


async def _places(
    conn: Connection, query: Query, reader: Reader, after: Place | None, limit: int
) -> tuple[list[Place], bool, Place | None]:
    """Places of a page; whether only so many were looked at; and behind which the next begins."""
    found: list[Place] = []
    for stream in range(0 if after is None else after.stream, len(query.streams)):
        begin = after if after is not None and after.stream == stream else None
        until = await shelves.boundary(conn, query, stream, begin, LOOKED_AT) if query.looks else None
        wanted = limit + 1 - len(found)
        found += await shelves.places(conn, query, reader, stream, after=begin, until=until, limit=wanted)
        if len(found) > limit:
            return found[:limit], False, found[limit - 1]
        if until is not None:
            return found, True, until
    return found, False, None


async def _items(deps: Deps, conn: Connection, person: Person, ids: Sequence[UUID]) -> list[tuple[Item, Approval]]:
    """Approvals as lists have them, in this order, and as they are."""
    known = await shelves.without_bodies(conn, ids)
    given = await votes.of_approvals(conn, [id for id, approval in known.items() if approval.terms is not None])
    found = [replace(known[id], votes=given.get(id, ())) for id in ids if id in known]
    actor = f"user:{person.handle}"
    facts = await look(deps, conn, found, [actor])
    decider = facts.decider(actor, person.roles)
    mine = {each.approval_id: each.verdict for each in await held.live(conn, ids) if each.subject == decider.subject}
    items = []
    for approval in found:
        answer = authorise(facts.case(approval), decider) if approval.status == "pending" else None
        allowed = answer if isinstance(answer, Allowed) and approval.id not in mine else None
        items.append((_item(approval, allowed, mine.get(approval.id)), approval))
    return items


def _item(approval: Approval, allowed: Allowed | None, held: Verdict | None) -> Item:
    given, required = count(approval.asked, approval.votes)
    principal = None if allowed is None else allowed.principal
    return Item(
        id=approval.id,
        run_id=approval.run_id,
        workflow=approval.workflow,
        version=approval.version,
        gate=approval.gate,
        title=approval.title or (approval.message or "").strip().partition("\n")[0].strip(),
        requested_by=approval.requested_by,
        opened_at=approval.opened_at,
        expires_at=approval.expires_at,
        status=approval.status,
        resolved_by=approval.resolved_by,
        resolved_at=approval.resolved_at,
        digest=approval.digest,
        revision=approval.revision,
        given=required if approval.status == "approved" else given,
        required=required,
        can_decide=allowed is not None,
        on_behalf_of=None if principal is None else principal.handle,
        held=held,
    )


def _shown(query: Query, person: Person, items: Sequence[tuple[Item, Approval]]) -> list[Item]:
    """Those that are on the shelf."""
    match query.shelf:
        case "mine":
            return [item for item, _ in items if item.can_decide]
        case "groups":
            groups = {f"group:{name}" for name in person.groups}
            return [item for item, at in items if item.status == "pending" and groups & asked_now(at.asked, at.votes)]
        case "all":
            return [item for item, _ in items if item.status == "pending"]
        case _:
            return [item for item, _ in items if item.status != "pending"]
