"""Decisions that are held for a moment, in which their makers can undo them, and then released. Durably.

The authoriser judges one twice: as it is made, so that errors show at once, and as it is released, so that whatever
happened meanwhile counts.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from placet_approval.deps import Deps
from placet_approval.domain import (
    AlreadyResolved,
    AlreadyVoted,
    Approval,
    ApprovalError,
    Decision,
    Held,
    NotAllowed,
    NotFound,
)
from placet_approval.handlers import decisions
from placet_approval.handlers.voting import Facts, look, weigh
from placet_approval.policy.people import subject
from placet_approval.store import held, shelves, votes
from placet_approval.store.held import Ended
from placet_runtime.postgres import Connection

log = structlog.get_logger()

_MOST = 200
_MARGIN = timedelta(seconds=2)  # before a deadline: what comes in time is not made late by being held
_KEEP = timedelta(days=1)


async def hold(deps: Deps, made: Sequence[Decision]) -> list[Held | ApprovalError]:
    """Hold decisions of people; for each what is held, or why it was refused. None of them voids another.

    The same again gives what there is. Where nothing is held (`Deps.undo` is 0, or the deadline is near) they are
    released before this returns.
    """
    async with deps.outbox.transaction() as (conn, _):
        known, facts = await _look(deps, conn, made)
        judged = [_judge_new(decision, known.get(decision.approval_id), facts) for decision in made]
        good = [(uuid7(), each.subject or "", each) for each in judged if isinstance(each, Decision)]
        new = await held.add(conn, good, timedelta(seconds=deps.undo), _MARGIN) if good else []
        live = await held.live(conn, [each.approval_id for _, _, each in good]) if good else []
    deps.changed(each.approval_id for each in new)
    there: dict[tuple[UUID, str | None], Held] = {(each.approval_id, each.subject): each for each in live}
    results = [each if isinstance(each, ApprovalError) else _held(each, there) for each in judged]
    at_once = [each.id for each in new if each.release_at <= each.made_at]
    return await _release_now(deps, at_once, results) if at_once else results


async def undo(deps: Deps, ids: Sequence[UUID], by: str) -> list[Held]:
    """Undo somebody's that are held still: those that were undone. ``by``: the maker's subject."""
    async with deps.outbox.transaction() as (conn, _):
        undone = await held.undo(conn, ids, by)
    deps.changed(each.approval_id for each in undone)
    return undone


async def of(deps: Deps, approval_ids: Sequence[UUID]) -> dict[UUID, list[Held]]:
    """Who is deciding on approvals right now, in the order in which they came."""
    async with deps.pool.acquire() as conn:
        live = await held.live(conn, approval_ids)
    found: dict[UUID, list[Held]] = {}
    for each in live:
        found.setdefault(each.approval_id, []).append(each)
    return found


async def mine(deps: Deps, by: str, *, limit: int = 50) -> list[Held]:
    """Somebody's that are held, and those refused that they have not been told of, the newest first."""
    async with deps.pool.acquire() as conn:
        return await held.of_maker(conn, by, limit)


async def told(deps: Deps, ids: Sequence[UUID], by: str) -> None:
    """Note that somebody has seen what became of theirs."""
    async with deps.outbox.transaction() as (conn, _):
        await held.told(conn, ids, by)


async def release(deps: Deps) -> int:
    """Release what is due, each once; how many. Replicas share them."""
    count = 0
    while True:
        some = await _release(deps, lambda conn: held.claim(conn, _MOST))
        count += len(some)
        if len(some) < _MOST:
            return count


async def sweep(deps: Deps) -> None:
    """Forget what became of those that ended a day ago."""
    async with deps.outbox.transaction() as (conn, _):
        await held.sweep(conn, _KEEP)


@dataclass(frozen=True, slots=True)
class _Released:
    held: Held
    error: ApprovalError | None


async def _release(deps: Deps, claim: Callable[[Connection], Awaitable[list[Held]]]) -> list[_Released]:
    """Decide what is claimed, and write down what each came to, in one transaction: a crash leaves all as it was."""
    async with deps.outbox.transaction("release") as (conn, emit):
        due = await claim(conn)
        if not due:
            return []
        made = [_decision(each) for each in due]
        known, facts = await _look(deps, conn, made)
        judged = [_judge(decision, known.get(decision.approval_id), facts) for decision in made]
        decided = await decisions.decide_within(
            deps, conn, emit, [each for each in judged if isinstance(each, Decision)]
        )
        results = iter(decided.results)
        came = [each if isinstance(each, ApprovalError) else next(results) for each in judged]
        ended = await held.end(conn, [_ended(each.id, result) for each, result in zip(due, came, strict=True)])
    decisions.tell(deps, decided)
    deps.changed({each.approval_id for each in due})
    errors = {each.id: result for each, result in zip(due, came, strict=True) if isinstance(result, ApprovalError)}
    for id, error in errors.items():
        log.info("decision.refused", id=str(id), why=str(error))
    return [_Released(each, errors.get(each.id)) for each in ended]


async def _release_now(
    deps: Deps, ids: Sequence[UUID], results: Sequence[Held | ApprovalError]
) -> list[Held | ApprovalError]:
    """Results, with what these came to."""
    released = {each.held.id: each for each in await _release(deps, lambda conn: held.claim_these(conn, ids))}
    async with deps.outbox.transaction() as (conn, _):
        there = await held.get(conn, ids)  # another replica may have been faster
        for each in released.values():
            if each.error is not None:
                await held.told(conn, [each.held.id], each.held.subject)
    return [
        each
        if isinstance(each, ApprovalError) or each.id not in there
        else (released[each.id].error if each.id in released else None) or there[each.id]
        for each in results
    ]


async def _look(deps: Deps, conn: Connection, made: Sequence[Decision]) -> tuple[dict[UUID, Approval], Facts]:
    """What decisions are about, and what the authoriser must know of it."""
    found = await shelves.without_bodies(conn, [decision.approval_id for decision in made])
    given = await votes.of_approvals(conn, [id for id, approval in found.items() if approval.terms is not None])
    known = {id: replace(approval, votes=given.get(id, ())) for id, approval in found.items()}
    return known, await look(deps, conn, list(known.values()), [decision.actor for decision in made])


def _judge_new(decision: Decision, approval: Approval | None, facts: Facts) -> Decision | ApprovalError:
    """A decision that may be held, or why not."""
    if approval is None:
        return NotFound("approval", decision.approval_id)
    if approval.status != "pending":
        return AlreadyResolved(approval.id, approval.status, approval.resolved_by)
    return _judge(decision, approval, facts)


def _judge(decision: Decision, approval: Approval | None, facts: Facts) -> Decision | ApprovalError:
    """A decision with the roles that its maker has now, or why it cannot be. What has ended is not judged here."""
    person = facts.people.get(decision.actor)
    if person is None:
        return NotAllowed("owner-unknown", f"{decision.actor} is nobody who is known")
    decision = replace(decision, roles=person.roles, subject=subject(person), bootstrap=False)
    if approval is None or approval.status != "pending":
        return decision
    answer = weigh(decision, approval, facts)
    return answer if isinstance(answer, ApprovalError) else decision


def _held(decision: Decision, there: dict[tuple[UUID, str | None], Held]) -> Held | ApprovalError:
    found = there.get((decision.approval_id, decision.subject))
    if found is None or found.verdict != decision.verdict:
        return AlreadyVoted("you are about to decide on it otherwise: undo that first")
    return found


def _decision(held: Held) -> Decision:
    return Decision(
        approval_id=held.approval_id,
        verdict=held.verdict,
        actor=held.actor,
        channel=held.channel,
        comment=held.comment,
        digest=held.digest,
        revision=held.revision,
        roles=frozenset(),
        subject=held.subject,
    )


def _ended(id: UUID, result: Approval | ApprovalError) -> Ended:
    return Ended(id, None, str(result)) if isinstance(result, ApprovalError) else Ended(id, result.status, None)
