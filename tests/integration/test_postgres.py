"""How services use Postgres."""

from placet_runtime import migrations, postgres


async def test_a_plan_from_an_empty_table_does_not_scan_a_full_one(database_url: str) -> None:
    """A prepared statement that was planned while its table was small goes by the index ever after."""
    await migrations.apply(database_url, "executor")
    async with postgres.connect(database_url, "executor", size=2) as pool, pool.acquire() as conn:
        await conn.execute("PREPARE look (text[]) AS SELECT input FROM runs WHERE id = ANY ($1)")
        for _ in range(6):  # then Postgres settles for one plan
            await conn.execute("EXECUTE look (ARRAY['run-1'])")

        plan = [row[0] for row in await conn.fetch("EXPLAIN (COSTS OFF) EXECUTE look (ARRAY['run-1'])")]

    assert any("runs_pkey" in line for line in plan), plan
