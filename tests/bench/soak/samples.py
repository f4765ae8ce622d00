"""What is looked at again and again: memory, descriptors, tables, indexes, dead rows."""

import asyncpg

from bench.measure import descriptors, memory
from placet_contracts.topology import SERVICES

# What remains of what was deleted: it is meant to grow, by a little.
MARKS = ("deleted_runs", "deleted_deliveries")


async def sample(conn: "asyncpg.Connection[asyncpg.Record]") -> dict[str, float]:
    """All of it now, by name; sizes are in bytes."""
    found: dict[str, float] = {f"memory of {kind}": used for kind, used in memory().items()}
    found |= {f"descriptors of {kind}": count for kind, count in descriptors().items()}
    rows = await conn.fetch(
        """
        SELECT schemaname || '.' || relname AS name, pg_table_size(relid) AS bytes, pg_indexes_size(relid) AS indexes,
               n_dead_tup AS dead, n_live_tup AS live
          FROM pg_stat_user_tables WHERE schemaname = ANY ($1)
        """,
        SERVICES,
    )
    for row in rows:
        found |= {f"table {row['name']}": row["bytes"], f"indexes of {row['name']}": row["indexes"]}
    found["dead rows"] = sum(row["dead"] for row in rows if not _is_mark(row["name"]))
    found["live rows"] = sum(row["live"] for row in rows if not _is_mark(row["name"]))
    return found


def is_judged(name: str) -> bool:
    """Whether it must not grow. What the servers take for their caches is theirs."""
    return not _is_mark(name) and name not in ("memory of postgres", "memory of rabbitmq")


def least(name: str) -> float:
    """The smallest growth of a series that counts: pages come in whole numbers, and caches fill."""
    return {"descriptors": 4, "dead": 1000, "live": 1000}.get(name.split(maxsplit=1)[0], 1024 * 1024)


def _is_mark(name: str) -> bool:
    return name.endswith(MARKS)
