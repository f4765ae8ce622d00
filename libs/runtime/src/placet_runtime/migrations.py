"""Numbered SQL files, applied once each, in order, under an advisory lock.

A schema is the sum of the runtime's migrations and of its service's own. A file that was applied must not change:
its checksum is kept. Migrations that the code does not know are left alone, so that an older service can go on while
a newer one rolls out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from placet_contracts.topology import Service
from placet_runtime.hosts import Hosts
from placet_runtime.postgres import session_settings


class MigrationChanged(RuntimeError):
    """Raised when a migration differs from the one that was applied under its name."""

    def __init__(self, schema: str, name: str) -> None:
        super().__init__(f"migration {name} of schema {schema} was changed after it had been applied")


@dataclass(frozen=True)
class Migration:
    """One SQL file; ``name`` is ``<package>/<file>``."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def of(service: Service) -> list[Migration]:
    """All migrations of a service's schema, in order."""
    return [
        Migration(f"{package.removeprefix('placet_')}/{file.name}", file.read_text(encoding="utf-8"))
        for package in ("placet_runtime", f"placet_{service}")
        for file in _sql_files(files(package) / "migrations")
    ]


def _sql_files(folder: Traversable) -> list[Traversable]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)


async def pending(dsn: str, service: Service) -> list[str]:
    """The names of the migrations that are still to be applied."""
    conn = await Hosts(dsn).connect(server_settings=session_settings(service, "placet migrate"))
    try:
        known = await conn.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{service}.migrations")
        applied = await _applied(conn) if known else {}
        return [migration.name for migration in _outstanding(service, of(service), applied)]
    finally:
        await conn.close()


async def apply(dsn: str, service: Service) -> list[str]:
    """Bring a service's schema up to date; the names of what was applied. Safe to call from many processes at once.

    Raises:
        MigrationChanged: an applied file was edited.
    """
    conn = await Hosts(dsn).connect(server_settings=session_settings(service, "placet migrate"))
    try:
        # The lock waits for another migrator, however long that takes.
        await conn.execute("SET lock_timeout = 0; SET statement_timeout = 0")
        await conn.execute("SELECT pg_advisory_lock(hashtext($1))", f"placet.migrate.{service}")
        if not await conn.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", service):
            await conn.execute(f"CREATE SCHEMA {service}")
        await conn.execute(
            f"""
            CREATE TABLE IF NOT EXISTS {service}.migrations (
                name       text        PRIMARY KEY,
                checksum   text        NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        outstanding = _outstanding(service, of(service), await _applied(conn))
        for migration in outstanding:
            async with conn.transaction():
                await conn.execute(migration.sql)
                await conn.execute(
                    "INSERT INTO migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
                )
        return [migration.name for migration in outstanding]
    finally:
        await conn.close()


async def _applied(conn: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    return {row["name"]: row["checksum"] for row in await conn.fetch("SELECT name, checksum FROM migrations")}


def _outstanding(schema: str, migrations: Sequence[Migration], applied: dict[str, str]) -> list[Migration]:
    for migration in migrations:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationChanged(schema, migration.name)
    return [migration for migration in migrations if migration.name not in applied]
