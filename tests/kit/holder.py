"""Holds an embedded Postgres until standard input ends, in a process of its own that a test can kill.

``holder.py FOLDER [USER]``: as that user, if root says so. Prints the address, and the process id of Postgres.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 -- see `become`
import os
import pwd
import sys
from pathlib import Path

import asyncpg

from placet_standalone.postgres import embedded


def become(name: str) -> None:
    """Give up root. Comes after all imports: that user may not reach the folders that they lie in."""
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


async def hold(folder: Path) -> None:
    async with embedded(folder) as dsn:
        conn = await asyncpg.connect(dsn)
        pid = (await conn.fetchval("SELECT pg_read_file('postmaster.pid')")).split()[0]
        await conn.close()
        print(dsn, pid, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[2:]:
        become(sys.argv[2])
    asyncio.run(hold(Path(sys.argv[1])))
