"""Statements on votes, and on what was done to open approvals."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import TypeAdapter

from placet_approval.domain import Change, ChangeKind
from placet_approval.policy.votes import Standing, Vote
from placet_approval.store import audit
from placet_runtime.postgres import Connection, columns

_STANDING: TypeAdapter[tuple[Standing, ...]] = TypeAdapter(tuple[Standing, ...])

_NOTE_VOTES = audit.noted(
    """SELECT json_build_object('kind', 'vote', 'approval', approval_id, 'vote', approval_id || '/' || position,
                                'verdict', verdict, 'by', actor, 'for', on_behalf_of, 'channel', channel,
                                'comment', comment)
         FROM cast_now"""
)
_NOTE_CHANGES = audit.noted(
    """SELECT json_build_object('kind', kind, 'approval', approval_id, 'by', actor, 'detail', detail,
                                'comment', comment)
         FROM changed"""
)


async def of_approvals(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[Vote, ...]]:
    """Votes on approvals, in the order in which they were cast."""
    rows = await conn.fetch(
        """
        SELECT approval_id, subject, principal, actor, on_behalf_of, verdict, standing, channel, comment, at
          FROM votes WHERE approval_id = ANY ($1::uuid[]) ORDER BY approval_id, position
        """,
        ids,
    )
    found: dict[UUID, tuple[Vote, ...]] = {}
    for row in rows:
        facts = dict(row)
        id = facts.pop("approval_id")
        standing = _STANDING.validate_json(facts.pop("standing"))
        found[id] = (*found.get(id, ()), Vote(standing=standing, **facts))
    return found


async def add(conn: Connection, cast: Sequence[tuple[UUID, int, Vote]]) -> None:
    """Write votes down: (approval, position, vote). The approvals' rows are locked."""
    await conn.execute(
        f"""
        WITH cast_now AS (
        INSERT INTO votes (approval_id, position, subject, principal, actor, on_behalf_of, verdict, standing, channel,
                           comment)
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::json[], $9::text[], $10::text[])
        RETURNING approval_id, position, actor, on_behalf_of, verdict, channel, comment),
        {_NOTE_VOTES}
        SELECT FROM cast_now
        """,
        *columns(
            [
                (
                    id,
                    position,
                    vote.subject,
                    vote.principal,
                    vote.actor,
                    vote.on_behalf_of,
                    vote.verdict,
                    _STANDING.dump_json(vote.standing, by_alias=True).decode(),
                    vote.channel,
                    vote.comment,
                )
                for id, position, vote in cast
            ],
            10,
        ),
    )


async def stand(conn: Connection, approval_id: UUID, standings: Sequence[tuple[Standing, ...]]) -> None:
    """Have the votes on an approval count for other things, in order, as its terms were changed."""
    await conn.execute(
        """
        UPDATE votes AS v SET standing = s.standing
          FROM unnest($2::json[]) WITH ORDINALITY AS s (standing, number)
         WHERE v.approval_id = $1 AND v.position = s.number - 1
        """,
        approval_id,
        [_STANDING.dump_json(standing, by_alias=True).decode() for standing in standings],
    )


async def elsewhere(conn: Connection, run_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Who decided at the gates of runs: (run, gate, actor or subject)."""
    rows = await conn.fetch(
        """
        SELECT a.run_id, a.gate, who.name
          FROM approvals AS a
         CROSS JOIN LATERAL (
                SELECT a.resolved_by AS name
                 WHERE a.terms IS NULL AND a.status IN ('approved', 'rejected')
                 UNION ALL
                SELECT unnest(ARRAY[v.subject, v.principal]) FROM votes AS v WHERE v.approval_id = a.id) AS who
         WHERE a.run_id = ANY ($1::text[]) AND who.name IS NOT NULL
        """,
        run_ids,
    )
    return [(row["run_id"], row["gate"], row["name"]) for row in rows]


async def changed(conn: Connection, changes: Sequence[tuple[UUID, ChangeKind, str, str, str | None]]) -> None:
    """Write down what was done to approvals: (id, kind, by whom, in words, comment)."""
    await conn.execute(
        f"""
        WITH changed AS (
        INSERT INTO changes (approval_id, kind, actor, detail, comment)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
        RETURNING approval_id, kind, actor, detail, comment),
        {_NOTE_CHANGES}
        SELECT FROM changed
        """,
        *columns(changes, 5),
    )


async def changes(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[Change, ...]]:
    """What was done to approvals, in order."""
    rows = await conn.fetch(
        """
        SELECT approval_id, at, kind, actor, detail, comment FROM changes
         WHERE approval_id = ANY ($1::uuid[]) ORDER BY id
        """,
        ids,
    )
    found: dict[UUID, tuple[Change, ...]] = {}
    for row in rows:
        facts = dict(row)
        id = facts.pop("approval_id")
        found[id] = (*found.get(id, ()), Change(**facts))
    return found
