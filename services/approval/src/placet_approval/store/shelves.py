"""Statements on the lists of the inbox. They find places; what is shown of an approval is read for a page of them.

Every list is a few ordered streams out of indexes, of which each gives no more than a page. What somebody is asked is
one stream for each of their names, groups and roles, and one for what asks everybody with the role approver.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from placet_approval.domain import Approval
from placet_approval.policy.authoriser import ANYBODY
from placet_approval.shelf import Place, Query, Reader, Side, Stream
from placet_approval.store import approvals
from placet_runtime.postgres import Connection

LINE = 200  # characters of a message, where there is no title


async def walk(conn: Connection) -> None:
    """Have the transaction's statements walk through indexes, and look up what belongs to each row.

    A page is short, however much there is. By its estimates the planner might read all there is instead, to sort or to
    join it: that is faster for a few hundred rows, and slower by as much as there is more.
    """
    await conn.execute(
        "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
    )


async def places(
    conn: Connection,
    query: Query,
    reader: Reader,
    stream: int,
    *,
    after: Place | None = None,
    until: Place | None = None,
    limit: int,
) -> list[Place]:
    """The first places of a stream, from behind one on, up to another one."""
    search = _Search(query, query.streams[stream], limit)
    search.go_from(after, until)
    sources = _sources(search, reader)
    if not sources:
        return []
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT found.at, found.id FROM ({" UNION ALL ".join(f"({each})" for each in sources)}) AS found
         ORDER BY {search.sorted("found.at", "found.id")} LIMIT {search.limit}
        """,
        *search.values,
    )
    return [Place(stream, row["at"], row["id"]) for row in rows]


async def boundary(conn: Connection, query: Query, stream: int, after: Place | None, distance: int) -> Place | None:
    """The place so far behind another, or behind the first, whatever is asked for; ``None`` if there are fewer."""
    search = _Search(query, query.streams[stream], 1)
    search.go_from(after, None)
    row = await conn.fetchrow(f"{search.straight([])} OFFSET {int(distance)}", *search.values)
    return None if row is None else Place(stream, row["at"], row["id"])


async def of_run(conn: Connection, query: Query, run_id: str) -> list[UUID]:
    """The approvals that a run has asked for and that fit, whosever they are, in the order in which they opened."""
    search = _Search(query, query.streams[0], 0)
    where = [f"a.run_id = {search.value(run_id)}", *search.led, *search.fits()]
    rows = await conn.fetch(
        f"SELECT a.id FROM approvals AS a WHERE {' AND '.join(where)} ORDER BY a.opened_at, a.id", *search.values
    )
    return [row["id"] for row in rows]


async def without_bodies(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Approval]:
    """Approvals by id, as far as lists show them: without input and context, and without a message that has a title."""
    rows = await conn.fetch(
        """
        SELECT a.id, a.run_id, a.workflow, a.version, a.gate, a.status, a.title,
               CASE WHEN a.title IS NULL THEN left(a.message, $2) END AS message, NULL AS context, 'null' AS input,
               a.digest, a.requested_by, a.notified, a.opened_at, a.expires_at, a.resolved_at, a.resolved_by, a.channel,
               NULL AS comment, a.requester, a.terms, a.revision, a.on_deadline
          FROM approvals AS a WHERE a.id = ANY ($1::uuid[])
        """,
        ids,
        LINE,
    )
    return {row["id"]: approvals.of(row) for row in rows}


async def place_of(conn: Connection, query: Query, id: UUID) -> Place | None:
    """Where an approval stands, or stood; ``None`` if there is none."""
    row = await conn.fetchrow("SELECT opened_at, expires_at, resolved_at FROM approvals WHERE id = $1", id)
    if row is None:
        return None
    stream = 1 if len(query.streams) > 1 and row["expires_at"] is None else 0
    at = row[query.streams[stream].by]
    return None if at is None else Place(stream, at, id)


_PENDING = "a.status = 'pending'"
_ENDED = "a.status <> 'pending'"
_SEARCHED = (
    f"coalesce(a.title, left(a.message, {LINE}), '') || E'\\n' || a.workflow || E'\\n' || a.run_id || E'\\n'"
    " || coalesce(a.requested_by, '')"
)


class _Search:
    """A statement as it is put together: its conditions, and the values of its parameters.

    ``led``: conditions that hold for all of a shelf. Where an index has a column before the time, that is part of the
    order too, and its condition is a range: of a column that is known to be one value, the planner would leave it out,
    and might walk through another index, past all that is not on the shelf.
    """

    def __init__(self, query: Query, stream: Stream, limit: int) -> None:
        self.query = query
        self.by = stream.by
        self.limit = int(limit)
        self.values: list[Any] = []
        self._stream = stream
        self._bounds: list[tuple[str, str]] = []
        self._lead: tuple[str, str] | None = None
        self.led = [_PENDING]
        if query.shelf == "history":
            self.led = [_ENDED]
            if query.outcome not in {None, "approved"}:
                self._go_by("status", self.value(query.outcome), "a.status NOT IN ('pending', 'approved')")
            elif query.workflow:
                self._go_by("workflow", self.value(query.workflow), _ENDED)
        elif stream.by == "opened_at":
            self._go_by("status", "'pending'")

    def _go_by(self, column: str, value: str, *of_index: str) -> None:
        self._lead = (column, value)
        self.led = [f"a.{column} >= {value}", f"a.{column} <= {value}", *of_index]

    def value(self, value: Any) -> str:
        """A parameter's place. Postgres takes no NUL, and has none."""
        self.values.append(value.replace("\0", "\ufffd") if isinstance(value, str) else value)
        return f"${len(self.values)}"

    def go_from(self, after: Place | None, until: Place | None) -> None:
        """Begin behind a place, and end with another."""
        newest = self._stream.newest_first
        for place, sign in ((after, "<" if newest else ">"), (until, ">=" if newest else "<=")):
            if place is not None:
                self._bounds.append((sign, f"{self.value(place.at)}, {self.value(place.id)}"))

    def between(self, table: str, id: str, lead: tuple[str, str] | None = None) -> list[str]:
        """That rows of a table, which call approvals so, are between these places."""
        column, value = (f"{table}.{lead[0]}, ", f"{lead[1]}, ") if lead is not None else ("", "")
        found = [f"({column}{table}.{self.by}, {table}.{id}) {sign} ({value}{place})" for sign, place in self._bounds]
        if self._stream.dated is not None:
            found.append(f"{table}.expires_at IS {'NOT ' if self._stream.dated else ''}NULL")
        return found

    def sorted(self, *columns: str) -> str:
        return ", ".join(f"{column} {'DESC' if self._stream.newest_first else 'ASC'}" for column in columns)

    def fits(self) -> list[str]:
        """What is asked of an approval, but for text, and what it is led by."""
        asked = {"workflow": self.query.workflow, "gate": self.query.gate, "requested_by": self.query.requester}
        if self.query.shelf == "history":
            asked["status"] = self.query.outcome
        if self._lead is not None:
            asked.pop(self._lead[0], None)
        return [f"a.{column} = {self.value(value)}" for column, value in asked.items() if value]

    def filters(self) -> list[str]:
        """All that is asked of an approval."""
        if not self.query.text:
            return self.fits()
        escaped = "".join(f"\\{c}" if c in "\\%_" else c for c in self.query.text)
        pattern = self.value(f"%{escaped}%")
        # Only what is not ASCII needs rules for more letters than that, which take several times as long.
        found = f'lower(({_SEARCHED}) COLLATE "C") LIKE lower({pattern}::text COLLATE "C")'
        return [
            *self.fits(),
            found if self.query.text.isascii() else f"fold({_SEARCHED}) LIKE fold({pattern}::text)",
            f"a.run_id <> {self.value(self.query.text)}",  # `of_run` finds them
        ]

    def straight(self, where: Iterable[str]) -> str:
        """A stream out of the approvals themselves."""
        order = [*([self._lead[0]] if self._lead is not None else []), self.by, "id"]
        return f"""SELECT a.{self.by} AS at, a.id FROM approvals AS a
                    WHERE {" AND ".join([*self.led, *self.between("a", "id", self._lead), *where])}
                    ORDER BY {self.sorted(*(f"a.{column}" for column in order))} LIMIT {self.limit}"""

    def asked(self, approvers: Sequence[str], where: Iterable[str]) -> str:
        """A stream out of what these approvers are asked: of each its own, as no index has them merged."""
        conditions = ["s.approver = k.approver", *self.between("s", "approval_id"), *where]
        return f"""SELECT q.at, q.id FROM unnest({self.value(list(approvers))}::text[]) AS k (approver)
                    CROSS JOIN LATERAL (
                          SELECT s.{self.by} AS at, s.approval_id AS id
                            FROM approvers AS s JOIN approvals AS a ON a.id = s.approval_id
                           WHERE {" AND ".join(conditions)}
                           ORDER BY {self.sorted(f"s.{self.by}", "s.approval_id")} LIMIT {self.limit}) AS q"""


def _sources(search: _Search, reader: Reader) -> list[str]:
    """The streams of a shelf."""
    filters = search.filters()
    match search.query.shelf:
        case "history" | "all":
            return [search.straight(filters)]
        case "groups":
            return [search.asked(reader.groups, filters)] if reader.groups else []
    found = []
    for side in reader.sides:
        every, with_terms = _have_no_say(search, reader.sides[0], side)
        found.append(search.asked(side.asked_as, [*filters, *every, *with_terms]))
        if ANYBODY in side.asked_as:
            found.append(search.straight(["a.terms IS NULL", *filters, *every]))
    return found


def _have_no_say(search: _Search, me: Side, side: Side) -> tuple[list[str], list[str]]:
    """That neither who looks nor for whom they would decide has asked for it, has had their say, or is about to: as
    conditions on all approvals, and further ones on those with terms."""
    who = f"ANY ({search.value(sorted({me.subject, side.subject}))}::text[])"
    names = f"ANY ({search.value(sorted({*me.names, *side.names}))}::text[])"
    mine = search.value(me.subject)
    voted = f"v.subject = {who} OR v.principal = {who}"
    return [
        f"((a.requester = {who} OR a.requested_by = {names}) IS NOT TRUE OR a.terms ->> 'separateRequester' = 'false')",
        f"NOT EXISTS (SELECT FROM held AS h WHERE h.approval_id = a.id AND h.subject = {mine} AND h.state = 'held')",
    ], [
        f"NOT EXISTS (SELECT FROM votes AS v WHERE v.approval_id = a.id AND ({voted}))",
        f"""((a.terms ->> 'distinctGates') IS DISTINCT FROM 'true' OR NOT EXISTS (
                SELECT FROM approvals AS o
                 WHERE o.run_id = a.run_id AND o.gate <> a.gate
                   AND ((o.terms IS NULL AND o.status IN ('approved', 'rejected') AND o.resolved_by = {names})
                        OR EXISTS (SELECT FROM votes AS v WHERE v.approval_id = o.id AND ({voted})))))""",
    ]
