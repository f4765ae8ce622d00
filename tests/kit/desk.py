"""People who decide, at an approval service without its loops: nothing happens but what a test does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from kit.ledger import ledger
from placet_approval.deps import Deps
from placet_approval.domain import Approval, ApprovalError, Caller, Decision, Person, Role, Verdict
from placet_approval.handlers import decisions, delegations, groups, reading, requests, shelves, users
from placet_approval.identity import UserChange
from placet_approval.shelf import Query, Shelf
from placet_approval.store import identities
from placet_contracts.cloudevents import CloudEvent
from placet_contracts.events import ApprovalRequested
from placet_contracts.policies import AuthorPolicy, Quorum, Stage

ADMIN = Caller("user:admin", frozenset({"admin"}))


def asks(*approvers: str, required: int = 1, **more: Any) -> AuthorPolicy:
    """A policy of one stage: so many of these approvers, or of anybody."""
    return AuthorPolicy(stages=(Stage(quorums=(Quorum(approvers=approvers, required=required),)),), **more)


def stages(*of: str) -> AuthorPolicy:
    """A policy that asks one approver after the other."""
    return AuthorPolicy(stages=tuple(Stage(quorums=(Quorum(approvers=(one,)),)) for one in of))


class Desk:
    """An approval service's use cases, and who uses them."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self.moved: list[str] = []  # what was told to have changed

    async def know(self, handle: str, *belongs_to: str, roles: Sequence[Role] = ("approver",)) -> None:
        """Make somebody known."""
        async with self.deps.pool.acquire() as conn:
            mail = frozenset({f"{handle}@example.com"})
            await users.create(conn, UserChange(handle, name=handle.title(), roles=frozenset(roles), emails=mail))
            for group in belongs_to:
                if await identities.groups(conn, [group]):
                    await groups.change(conn, group, add=[handle])
                else:
                    await groups.create(conn, group, frozenset({handle}))

    async def give(self, handle: str, *roles: Role) -> None:
        """Have somebody have these roles, and no others."""
        async with self.deps.pool.acquire() as conn:
            await users.change(conn, UserChange(handle, roles=frozenset(roles)))

    async def disable(self, handle: str) -> None:
        async with self.deps.pool.acquire() as conn:
            await users.change(conn, UserChange(handle, disabled=True))

    async def person(self, handle: str) -> Person:
        """Somebody as they are known now."""
        async with self.deps.pool.acquire() as conn:
            return (await identities.resolve(conn, [f"user:{handle}"]))[f"user:{handle}"]

    async def caller(self, handle: str) -> Caller:
        """Somebody who is signed in."""
        person = await self.person(handle)
        return Caller(f"user:{handle}", person.roles, subject=str(person.id))

    async def away(self, who: str, delegate: str) -> None:
        """Have somebody stand in for another, from a minute ago on."""
        now = datetime.now(UTC)
        time = (now - timedelta(minutes=1), now + timedelta(days=1))
        await delegations.add(self.deps, ADMIN, f"user:{who}", f"user:{delegate}", time)

    async def ask(self, policy: AuthorPolicy | None = None, **more: Any) -> UUID:
        """Open an approval."""
        id = uuid4()
        facts = {"run_id": f"run-{id}", "workflow": "w", "version": 1, "gate": "g", "input": 1, "digest": f"d-{id}"}
        request = ApprovalRequested(approval_id=id, policy=policy, **facts | more)
        event = CloudEvent(str(uuid4()), "placet/executor", request, datetime.now(UTC))
        await requests.on_approval_requested(self.deps, [event])
        return id

    async def decision(self, handle: str, id: UUID, verdict: Verdict = "approve", **more: Any) -> Decision:
        """A decision of somebody who is signed in."""
        caller = await self.caller(handle)
        return Decision(id, verdict, caller.actor, "inbox", roles=caller.roles, subject=caller.subject, **more)

    async def decide(
        self, handle: str, id: UUID, verdict: Verdict = "approve", comment: str | None = None
    ) -> Approval | ApprovalError:
        """Decide at once, as over the API."""
        made = replace(await self.decision(handle, id, verdict), comment=comment, channel="api")
        [result] = await decisions.decide(self.deps, [made])
        return result

    async def approval(self, id: UUID) -> Approval:
        """An approval as it stands."""
        [found] = await reading.get_approvals(self.deps, [id])
        assert isinstance(found, Approval)
        return found

    async def on(self, shelf: Shelf, handle: str, *, limit: int = 50, **more: Any) -> list[UUID]:
        """What is on a shelf, as somebody sees it, page by page."""
        query, person = Query(shelf, **more), await self.person(handle)
        found: list[UUID] = []
        after = None
        while True:
            page = await shelves.page(self.deps, person, query, after=after, limit=limit)
            assert len(page.items) <= limit
            found += [item.id for item in page.items]
            if (after := page.next) is None:
                return found

    async def mine(self, handle: str, **more: Any) -> list[UUID]:
        """What waits for somebody."""
        return await self.on("mine", handle, **more)


@asynccontextmanager
async def desk(database_url: str, undo: float = 5.0) -> AsyncIterator[Desk]:
    """A desk on an empty database."""
    async with ledger(database_url) as book:
        made = Desk(book.deps)
        made.deps = replace(book.deps, undo=undo, changed=lambda ids: made.moved.extend(map(str, ids)))
        yield made
