"""Statements on policies of the deployment."""

from collections.abc import Sequence

from placet_approval.domain import StoredPolicy
from placet_approval.policy.matching import DeploymentPolicy
from placet_approval.store import audit
from placet_runtime.postgres import Connection, columns

_COLUMNS = "p.name, p.version, p.spec, p.in_force, p.created_by, p.created_at, p.ended_by, p.ended_at"

_NOTE_MADE = audit.noted(
    """SELECT json_build_object('kind', 'policy.made', 'policy', name, 'version', version, 'spec', spec,
                                'by', created_by)
         FROM made"""
)
_NOTE_ENDED = audit.noted(
    "SELECT json_build_object('kind', 'policy.ended', 'policy', name, 'version', version, 'by', ended_by) FROM ended"
)


async def in_force(conn: Connection) -> list[StoredPolicy]:
    """Those that are in force, by name."""
    rows = await conn.fetch(f"SELECT {_COLUMNS} FROM policies AS p WHERE p.in_force ORDER BY p.name")
    return [_policy(row) for row in rows]


async def ended(conn: Connection) -> list[StoredPolicy]:
    """The last versions of those that are not in force any more, by name."""
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT ON (p.name) {_COLUMNS} FROM policies AS p
         WHERE NOT EXISTS (SELECT FROM policies AS o WHERE o.name = p.name AND o.in_force)
         ORDER BY p.name, p.version DESC LIMIT 1000
        """
    )
    return [_policy(row) for row in rows]


async def versions(conn: Connection, name: str) -> list[StoredPolicy]:
    """All versions of one, the newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM policies AS p WHERE p.name = $1 ORDER BY p.version DESC LIMIT 1000", name
    )
    return [_policy(row) for row in rows]


async def end(conn: Connection, names: Sequence[str], by: str) -> list[StoredPolicy]:
    """Put policies out of force; those that were in force."""
    rows = await conn.fetch(
        f"""
        WITH ended AS (
        UPDATE policies AS p SET in_force = false, ended_at = now(), ended_by = $2
         WHERE p.name = ANY ($1::text[]) AND p.in_force RETURNING {_COLUMNS}),
        {_NOTE_ENDED}
        SELECT * FROM ended
        """,
        names,
        by,
    )
    return [_policy(row) for row in rows]


async def add(conn: Connection, policies: Sequence[DeploymentPolicy], by: str) -> list[StoredPolicy]:
    """Put new versions in force, where none of that name is."""
    rows = await conn.fetch(
        f"""
        WITH made AS (
        INSERT INTO policies AS p (name, version, spec, created_by)
        SELECT n.name, coalesce((SELECT max(o.version) FROM policies AS o WHERE o.name = n.name), 0) + 1, n.spec, $3
          FROM unnest($1::text[], $2::json[]) AS n (name, spec)
        RETURNING {_COLUMNS}),
        {_NOTE_MADE}
        SELECT * FROM made
        """,
        *columns([(policy.name, policy.model_dump_json(by_alias=True, exclude_none=True)) for policy in policies], 2),
        by,
    )
    return [_policy(row) for row in rows]


async def lock(conn: Connection) -> None:
    """Have others that change policies wait until the transaction ends."""
    await conn.execute("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")


def _policy(row: object) -> StoredPolicy:
    facts = dict(row)  # type: ignore[call-overload]
    spec = facts.pop("spec")
    return StoredPolicy(**facts, policy=DeploymentPolicy.model_validate_json(spec))
