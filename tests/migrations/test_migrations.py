"""Schemas are the sum of their migrations, applied once each, by however many processes at once."""

import asyncio

import asyncpg
import pytest

from placet_contracts.topology import SERVICES, Service
from placet_runtime import migrations, postgres
from placet_runtime.migrations import Migration, MigrationChanged
from placet_runtime.postgres import NotDurable


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A database that no migration has touched."""
    return empty_database_url


@pytest.mark.parametrize("service", SERVICES)
async def test_a_schema_is_made_once_by_many(service: Service, database_url: str) -> None:
    """Eight processes that migrate at the same time apply each migration once; after that nothing is outstanding."""
    applied = await asyncio.gather(*(migrations.apply(database_url, service) for _ in range(8)))

    assert sorted(name for names in applied for name in names) == sorted(each.name for each in migrations.of(service))
    assert await migrations.pending(database_url, service) == []


async def test_what_is_outstanding_is_named_and_nothing_is_touched(database_url: str) -> None:
    """Looking for outstanding migrations names them, and makes no schema."""
    assert await migrations.pending(database_url, "executor") == [each.name for each in migrations.of("executor")]

    conn = await asyncpg.connect(database_url)
    assert await conn.fetchval("SELECT to_regnamespace('executor')") is None
    await conn.close()


async def test_an_edited_migration_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that was applied and then edited is an error that names it, before anything else is applied."""
    await migrations.apply(database_url, "executor")
    first, *rest = migrations.of("executor")
    edited = [Migration(first.name, first.sql + "-- edited"), *rest, Migration("executor/9999_new.sql", "SELECT 1")]
    monkeypatch.setattr(migrations, "of", lambda service: edited)

    with pytest.raises(MigrationChanged, match=first.name):
        await migrations.apply(database_url, "executor")


async def test_a_failing_migration_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails half-way is rolled back, and is outstanding still."""
    broken = [Migration("executor/0001_broken.sql", "CREATE TABLE half (); SELECT 1 / 0")]
    monkeypatch.setattr(migrations, "of", lambda service: broken)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrations.apply(database_url, "executor")

    assert await migrations.pending(database_url, "executor") == ["executor/0001_broken.sql"]
    conn = await asyncpg.connect(database_url)
    assert await conn.fetchval("SELECT to_regclass('executor.half')") is None
    await conn.close()


async def test_migrations_of_a_newer_release_are_left_alone(database_url: str) -> None:
    """An older service starts on a newer schema, so that a release can roll out one process after the other."""
    await migrations.apply(database_url, "executor")
    conn = await asyncpg.connect(database_url)
    await conn.execute("INSERT INTO executor.migrations (name, checksum) VALUES ('executor/9999_newer.sql', 'x')")
    await conn.close()

    assert await migrations.apply(database_url, "executor") == []


async def test_a_database_that_may_forget_commits_is_refused(database_url: str) -> None:
    """No service starts on a database with synchronous_commit off: a decision could be acknowledged and lost."""
    await migrations.apply(database_url, "approval")
    conn = await asyncpg.connect(database_url)
    name = await conn.fetchval("SELECT current_database()")
    await conn.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await conn.close()

    with pytest.raises(NotDurable, match="synchronous_commit = off"):
        async with postgres.connect(database_url, "approval", size=2):
            pass
