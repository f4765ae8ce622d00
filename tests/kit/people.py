"""People whom a deployment knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from kit.product import Product
from placet_approval.domain import Role
from placet_approval.handlers import groups, keys, users
from placet_approval.identity import UserChange
from placet_approval.store import identities


async def know(placet: Product, handle: str, *belongs_to: str, role: Role = "approver", aliases: int = 1) -> list[str]:
    """Make somebody known, with so many API keys of theirs; the keys."""
    mail = frozenset({f"{handle}@example.com"})
    async with placet.running.connection() as conn:
        await users.create(conn, UserChange(handle, name=handle.title(), roles=frozenset({role}), emails=mail))
        for group in belongs_to:
            if await identities.groups(conn, [group]):
                await groups.change(conn, group, add=[handle])
            else:
                await groups.create(conn, group, frozenset({handle}))
        return [await keys.create(conn, f"{handle}-{uuid4().hex[:6]}", role, owner=handle) for _ in range(aliases)]


@asynccontextmanager
async def somebody(placet: Product, handle: str, *groups: str, role: Role = "approver") -> AsyncIterator[Product]:
    """The deployment as somebody who is known sees it."""
    [key] = await know(placet, handle, *groups, role=role)
    async with placet.running.http(key) as http:
        yield Product(placet.running, http)
