"""Paused runs in any number: copies of one that the services have paused, which they cannot tell from their own.

Each has a run id, an approval id and a start event of its own, its own age, and the digest that goes with its id; the
input and the stored step are the same.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
from pydantic_core import from_json
from uuid_utils.compat import uuid7

from placet_contracts.digest import review_digest

Paused = tuple[str, UUID]  # run id, approval id

_BATCH = 50_000

# What differs, by table: the key by which the original is found, and a column's expression over ``o``, the original's
# row, and ``c``, the copy.
_TABLES = {
    "approval.runs": ("id", {"id": "c.run_id", "created_at": "", "updated_at": ""}),
    "approval.approvals": (
        "run_id",
        {"id": "c.approval_id", "run_id": "c.run_id", "digest": "c.digest", "opened_at": ""},
    ),
    "executor.runs": (
        "id",
        {"id": "c.run_id", "event_id": "c.event_id", "due_at": "", "created_at": "", "updated_at": ""},
    ),
    "executor.steps": ("run_id", {"run_id": "c.run_id", "created_at": ""}),
    "executor.gates": (
        "run_id",
        {"run_id": "c.run_id", "approval_id": "c.approval_id", "digest": "c.digest", "requested_at": ""},
    ),
}


async def seed(database_url: str, count: int) -> list[Paused]:
    """Copy the first run that is paused ``count`` times, each a second younger than the one before; the copies."""
    conn = await asyncpg.connect(database_url)
    try:
        original = await conn.fetchval(
            "SELECT id FROM executor.runs WHERE status = 'paused' ORDER BY created_at LIMIT 1"
        )
        shown = await conn.fetchrow("SELECT * FROM approval.approvals WHERE run_id = $1", original)
        assert shown is not None
        statements = [await _copying(conn, table, *how) for table, how in _TABLES.items()]
        await conn.execute(
            """
            CREATE TEMPORARY TABLE copies (
                place integer, run_id text, approval_id uuid, event_id text, digest text, age interval)
            """
        )
        seeded: list[Paused] = []
        for numbers in _batches(count):
            copies = [
                (
                    n,
                    run_id := uuid4().hex,
                    uuid7(),
                    str(uuid7()),
                    _digest(shown, run_id),
                    timedelta(seconds=count - n),
                )
                for n in numbers
            ]
            async with conn.transaction():
                await conn.copy_records_to_table("copies", records=copies)
                for statement in statements:
                    await conn.execute(statement, original)
                await conn.execute("TRUNCATE copies")
            seeded += [(run_id, approval_id) for _, run_id, approval_id, *_ in copies]
        return seeded
    finally:
        await conn.close()


async def settle(database_url: str) -> None:
    """Leave the database as autovacuum and the checkpointer do, so that neither does it while something is measured."""
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute("VACUUM ANALYZE")
        await conn.execute("CHECKPOINT")
    finally:
        await conn.close()


async def sizes(database_url: str) -> dict[str, dict[str, int]]:
    """Bytes of the tables of a paused run, and of their indexes."""
    conn = await asyncpg.connect(database_url)
    try:
        return {
            table: {
                "table": await conn.fetchval("SELECT pg_table_size($1::regclass)", table),
                "indexes": await conn.fetchval("SELECT pg_indexes_size($1::regclass)", table),
                "total": await conn.fetchval("SELECT pg_total_relation_size($1::regclass)", table),
            }
            for table in _TABLES
        }
    finally:
        await conn.close()


async def _copying(conn: "asyncpg.Connection[asyncpg.Record]", table: str, key: str, differs: dict[str, str]) -> str:
    """The statement that copies the original's row of a table; a column without an expression is a time."""
    schema, _, name = table.partition(".")
    rows = await conn.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2", schema, name
    )
    columns = [str(row["column_name"]) for row in rows]
    values = [differs.get(column, f"o.{column}") or f"o.{column} - c.age" for column in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
        f"FROM (SELECT * FROM {table} WHERE {key} = $1) AS o CROSS JOIN copies AS c ORDER BY c.place"
    )


def _digest(shown: "asyncpg.Record", run_id: str) -> str:
    return review_digest(
        run_id=run_id,
        workflow=shown["workflow"],
        version=shown["version"],
        gate=shown["gate"],
        title=shown["title"],
        message=shown["message"],
        context=None if shown["context"] is None else from_json(shown["context"]),
        input=from_json(shown["input"]),
    )


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, _BATCH):
        yield range(start, min(start + _BATCH, count))
